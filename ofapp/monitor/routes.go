// SPDX-License-Identifier: Apache-2.0

package monitor

import (
	"embed"
	"encoding/json"
	"io/fs"
	"net/http"
	"net/http/pprof"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// page holds the files of the status page.
//
//go:embed page
var page embed.FS

// maxScrapes bounds the scrapes at once.
const maxScrapes = 4

func (o Options) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(o.Metrics, promhttp.HandlerOpts{
		ErrorLog: o.Log, MaxRequestsInFlight: maxScrapes, EnableOpenMetrics: true,
	}))
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, "alive") })
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := o.Ready(); err != nil {
			text(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		text(w, http.StatusOK, "converged")
	})
	mux.HandleFunc("/api/state", func(w http.ResponseWriter, _ *http.Request) { answer(w, o.State()) })
	if o.Fleet != nil {
		mux.HandleFunc("/api/fleet", func(w http.ResponseWriter, r *http.Request) {
			view, err := o.Fleet(r.Context())
			if err != nil {
				text(w, http.StatusServiceUnavailable, err.Error())
				return
			}
			answer(w, view)
		})
	}
	if files, err := fs.Sub(page, "page"); err == nil { // it is there: it is embedded
		mux.Handle("/", http.FileServerFS(files))
	}
	if o.Pprof {
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	return mux
}

// answer writes a value as JSON.
func answer(w http.ResponseWriter, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		text(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // a client that is gone has no use for the error
}

func text(w http.ResponseWriter, code int, s string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(s + "\n")) // as above
}
