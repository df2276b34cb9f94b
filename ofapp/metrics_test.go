// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"ofcontroller/docs"
	"ofcontroller/ofapp"
	"ofcontroller/testenv/frame"
)

func TestGeneratedMetrics(t *testing.T) {
	var rows [][]string
	for _, m := range ofapp.Metrics() {
		rows = append(rows, []string{"`" + m.Name + "`", m.Type, strings.Join(m.Labels, ", "), m.Help})
	}
	table := docs.Table([]string{"metric", "type", "labels", "meaning"}, rows)
	if err := docs.Section("../docs/metrics.md", "metrics", table, *update); err != nil {
		t.Error(err)
	}
}

// TestMetricNames looks up the metrics, their labels, and the reasons that the
// dashboard and the alert rules name.
func TestMetricNames(t *testing.T) {
	known := map[string]ofapp.Metric{}
	for _, m := range ofapp.Metrics() {
		known[m.Name] = m
		if m.Type == "counter" && !strings.HasSuffix(m.Name, "_total") || m.Type != "counter" && strings.HasSuffix(m.Name, "_total") {
			t.Errorf("%s is a %s: only a counter's name ends in _total", m.Name, m.Type)
		}
	}
	var rules struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	text, err := os.ReadFile("../docs/monitoring/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &rules); err != nil || len(rules.Groups) == 0 {
		t.Fatalf("alert rules: %v", err)
	}
	var exprs []string
	for _, r := range rules.Groups[0].Rules {
		exprs = append(exprs, r.Expr)
		if r.Alert == "" || r.Labels["severity"] == "" || r.Annotations["summary"] == "" {
			t.Errorf("rule %+v lacks a name, a severity or a summary", r)
		}
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if text, err = os.ReadFile("../docs/monitoring/grafana.json"); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			exprs = append(exprs, target.Expr)
		}
	}
	if len(exprs) < 20 {
		t.Fatalf("%d expressions: the search is at fault", len(exprs))
	}
	name := regexp.MustCompile(`ofcontroller_[a-z_]+`)
	for _, e := range exprs {
		for _, n := range name.FindAllString(e, -1) {
			if _, ok := known[strings.TrimSuffix(n, "_bucket")]; !ok {
				t.Errorf("%s: no metric %s", e, n)
			}
		}
	}
}

// families are what a scrape gives, by name.
func families(t *testing.T, text string) map[string]*dto.MetricFamily {
	t.Helper()
	p := expfmt.NewTextParser(model.UTF8Validation)
	out, err := p.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// value sums the samples that have the labels, given as name=value.
func value(f *dto.MetricFamily, labels ...string) float64 {
	sum := 0.0
	for _, m := range f.GetMetric() {
		var have []string
		for _, l := range m.GetLabel() {
			have = append(have, l.GetName()+"="+l.GetValue())
		}
		if !slices.ContainsFunc(labels, func(l string) bool { return !slices.Contains(have, l) }) {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return sum
}

const metricsAddress = "127.0.0.1:9475" // in the namespace of the bed

// client is inside the bed's namespace.
func (b *bed) client() *http.Client {
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: b.dial}}
}

func (b *bed) get(t *testing.T, path string) (int, string) {
	t.Helper()
	r, err := b.client().Get("http://" + metricsAddress + path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(body)
}

// TestMetrics scrapes a running gateway: every metric of the list is there, no
// other of ours, and values follow what happens.
func TestMetrics(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1, "metrics: \""+metricsAddress+"\"\nuplinks: [{port: up0}]\ntrunks: [{port: trunk0, vlans: [0, 20]}]\n")
	if code, text := b.get(t, "/readyz"); code != http.StatusOK {
		t.Errorf("readyz: %d %s", code, text)
	}
	if code, text := b.get(t, "/healthz"); code != http.StatusOK || text != "alive\n" {
		t.Errorf("healthz: %d %s", code, text)
	}
	b.drain()
	for range 3 {
		b.send(up, frame.VLAN(udp(peer, guest0, 10), 20))
		b.send(up, frame.VLAN(udp(peer, guest0, 10), 21))
	}
	b.sync()
	var got map[string]*dto.MetricFamily
	eventually(t, settle, "the frames are counted", func() bool {
		_, text := b.get(t, "/metrics")
		got = families(t, text)
		return value(got["ofcontroller_frames_received_total"], "origin=uplink") == 6 &&
			value(got["ofcontroller_frames_inspected_total"], "origin=uplink") == 3 &&
			value(got["ofcontroller_frames_returned_total"], "origin=uplink") == 3 &&
			value(got["ofcontroller_frames_dropped_total"], "reason=vlan_not_carried") == 3 &&
			value(got["ofcontroller_port_frames_received_total"], "port=up0", "role=uplink") == 6
	})
	engines := []string{"ofcontroller_engine_frames_total", "ofcontroller_engine_alerts_total", "ofcontroller_engine_restarts_total"}
	for _, m := range ofapp.Metrics() {
		f := got[m.Name]
		if f == nil {
			if !slices.Contains(engines, m.Name) {
				t.Errorf("%s is not in a scrape", m.Name)
			}
			continue
		}
		if want := strings.ToUpper(m.Type); f.GetType().String() != want || f.GetHelp() != m.Help {
			t.Errorf("%s is a %s (%s), want %s", m.Name, f.GetType(), f.GetHelp(), want)
		}
		delete(got, m.Name)
	}
	for name := range got {
		if strings.HasPrefix(name, "ofcontroller_") {
			t.Errorf("%s is not in the list", name)
		}
	}
	t.Run("not ready", func(t *testing.T) {
		b.t = t
		b.ips.Dead(true)
		eventually(t, settle, "the attachment is down", func() bool {
			_, text := b.get(t, "/metrics")
			return value(families(t, text)["ofcontroller_attachment_up"], "attachment=standin") == 0
		})
		b.ctl.WaitConverged(t, converge) // the switch is told after the metrics
		if code, text := b.get(t, "/readyz"); code != http.StatusOK {
			t.Errorf("readyz, with a verdict: %d %s", code, text)
		}
	})
	t.Run("no bridge", func(t *testing.T) {
		b.t = t
		b.env.VsctlT(t, "del-br", "br0")
		eventually(t, settle, "it is not ready", func() bool {
			code, text := b.get(t, "/readyz")
			return code == http.StatusServiceUnavailable && strings.Contains(text, "status tells more")
		})
	})
	t.Run("pprof is off", func(t *testing.T) {
		b.t = t
		if code, _ := b.get(t, "/debug/pprof/"); code != http.StatusNotFound {
			t.Errorf("pprof: %d", code)
		}
	})
}

// TestMonitorFaults has listeners that can't be had: the program says why and
// does not start.
func TestMonitorFaults(t *testing.T) {
	t.Parallel()
	b := newBareBed(t, 1)
	empty := filepath.Join(b.env.Dir(), "empty")
	writeFile(t, empty, "\n")
	for _, c := range []struct{ name, keys, want string }{
		{"no password file", `monitor: {user: a, password_file: /nowhere}`, "monitor.password_file: open /nowhere"},
		{"empty password", fmt.Sprintf(`monitor: {user: a, password_file: %s}`, empty), "the first line is empty"},
		{"no certificate", "monitor: {tls: true}\ntls: {certificate: /nowhere, private_key: /nowhere, ca: /nowhere}", "/nowhere"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctl := b.env.Controller(t, b.yaml("metrics: \""+metricsAddress+"\"\n"+c.keys+"\nuplinks: [{port: up0}]\ntrunks: [{port: trunk0, vlans: [0]}]\n"))
			code, err := ctl.Wait(t.Context())
			if err != nil || code != 1 || !strings.Contains(ctl.Logs(), c.want) {
				t.Errorf("exit code %d, %v, log without %q", code, err, c.want)
			}
		})
	}
}
