// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

var screenshots = flag.Bool("screenshots", false, "write docs/images anew")

// forward lets a browser outside of the bed's namespace reach the listener
// inside, and returns the address for it.
func (b *bed) forward(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			outer, err := l.Accept()
			if err != nil {
				return
			}
			inner, err := b.dial(context.Background(), "tcp", metricsAddress)
			if err != nil {
				outer.Close()
				continue
			}
			for _, way := range [][2]net.Conn{{outer, inner}, {inner, outer}} {
				go func() {
					_, _ = io.Copy(way[0], way[1]) // it ends when either side does
					way[0].Close()
					way[1].Close()
				}()
			}
		}
	}()
	return "http://" + l.Addr().String()
}

// browser starts a headless browser.
func browser(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("no browser: %v (testenv/install.sh browser installs it)", err)
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, // there is none for root
		chromedp.UserDataDir(t.TempDir()), chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("hide-scrollbars", true),
	)
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	return ctx
}

type step = chromedp.Action[chromedp.Void]

// until waits until an expression is true in the page.
func until(js string) step {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			if yes, err := chromedp.Evaluate[bool](js)(ctx, target); err != nil || yes {
				return err
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("not in time: %s", js)
			case <-tick.C:
			}
		}
	})
}

// visible waits until the first element of a selector can be seen. chromedp's own
// asks for each that there is, and begins again when the page makes them anew.
func visible(selector string) step {
	return until(fmt.Sprintf("document.querySelector(%q)?.checkVisibility() === true", selector))
}

// shot looks at the page in a window of that size, and writes a picture of it for
// the documentation when asked for one and its name is not empty.
func shot(name string, width, height int64, dark bool) step {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		scheme := map[bool]string{true: "dark", false: "light"}[dark]
		features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}
		if _, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features}); err != nil {
			return err
		}
		if _, err := chromedp.Steps(
			chromedp.EmulateViewport(width, height, chromedp.EmulateScale(2)),
			// Nothing is wider than the screen, whatever its size.
			until(`document.documentElement.scrollWidth <= window.innerWidth`),
		)(ctx, target); err != nil || !*screenshots || name == "" {
			return err
		}
		png, err := chromedp.FullScreenshot(100)(ctx, target)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join("..", "docs", "images", name+".png"), png, 0o644)
	})
}

// TestPage clicks through the status page in a real browser while frames pass. It
// is not parallel: the browser keeps the whole machine busy.
func TestPage(t *testing.T) {
	b := newBed(t, 1, "metrics: \""+metricsAddress+"\"\nuplinks: [{port: up0}]\n"+
		"trunks: [{port: trunk0, vlans: [0, 20]}, {port: trunk1, vlans: [30]}, {port: \"<b>x<b>\", vlans: [40]}]\n")
	b.ips.SetVerdict(func(f []byte) []testenv.Out {
		if strings.Contains(string(f), "attack!!") {
			return nil
		}
		return []testenv.Out{{Frame: f}}
	})
	url := b.forward(t)
	ctx := browser(t)
	traffic := func() {
		for range 10 {
			b.send(up, frame.VLAN(udpTo(peer, guest0, 80, "hello"), 20))
			b.send(t0, frame.VLAN(udpTo(guest0, peer, 80, "hello"), 20))
			b.send(up, frame.VLAN(udpTo(peer, guest0, 80, "nobody's"), 99))
		}
		b.send(up, frame.VLAN(udpTo(peer, guest0, 80, "attack!!"), 20))
		b.send(host, udp(b.hostMAC(), peer, 10))
		b.sync()
	}
	if err := chromedp.Do(ctx); err != nil { // the browser lives as long as the context of the first call
		t.Fatal(err)
	}
	if err := chromedp.Listen(ctx, func(e any) {
		if e, ok := e.(*runtime.EventExceptionThrown); ok {
			t.Errorf("the browser says: %s", e.ExceptionDetails.Text)
		}
	}); err != nil {
		t.Fatal(err)
	}
	within := converge
	run := func(t *testing.T, steps ...step) {
		t.Helper()
		limited, cancel := context.WithTimeout(ctx, testenv.Scaled(within))
		defer cancel()
		if err := chromedp.Do(limited, steps...); err != nil {
			body, _ := chromedp.Run(ctx, chromedp.Text("body"))
			t.Fatalf("%v\nthe page says:\n%s", err, body)
		}
	}
	traffic()
	run(t, chromedp.Navigate(url), until(`document.body.dataset.live === "yes"`),
		until(`document.querySelector("#origins tr td:nth-child(2)")?.firstChild.textContent === "21"`))
	traffic()
	run(t, until(`document.querySelector(".link.left").classList.contains("busy") && document.getElementById("r-uplink").textContent !== "–"`))
	traffic()
	run(
		t,
		until(`document.querySelector("#origins tr td:nth-child(2)").firstChild.textContent === "63"`),
		until(`document.querySelector("#origins tr td:nth-child(5)").firstChild.textContent === "3"`),
		until(`document.getElementById("refused").textContent.includes("VLAN not carried30")`),
		until(`document.getElementById("bridge").textContent === "br0"`),
		until(`document.getElementById("ips").textContent === "standin" && document.querySelector("#ips .ok") !== null`),
		until(`document.getElementById("uplinks").textContent === "up0"`),
		// A name is text, never markup.
		until(`document.getElementById("trunks").textContent.includes("<b>x<b>") && document.querySelector("#trunks b") === null`),
		until(`document.getElementById("problems").textContent.includes("<b>x<b>")`),
	)
	if text, err := chromedp.Run(ctx, chromedp.Text("#state")); err != nil || text != "degraded" {
		t.Errorf("with a port missing the state is %q, %v, want degraded", text, err)
	}
	t.Run("tabs", func(t *testing.T) {
		run(
			t,
			chromedp.Click(`button[data-tab="health"]`), visible("#attachments td"), chromedp.WaitNotVisible("#origins"),
			until(`document.querySelector("#attachments td:nth-child(2)").className === "ok"`),
			chromedp.Click(`button[data-tab="latest"]`), visible("#latest td"),
			until(`[...document.querySelectorAll("#latest tr")].some(r => r.textContent.includes("standin"))`),
			chromedp.Click(`button[data-tab="ports"]`), visible("#ports td"),
			until(`[...document.querySelectorAll("#ports tr")].some(r => r.textContent.startsWith("trunk0trunkup"))`),
			chromedp.Click(`button[data-tab="frames"]`), visible("#origins"),
		)
	})
	t.Run("an attachment goes down", func(t *testing.T) {
		b.ips.Dead(true)
		run(t, until(`document.getElementById("state").textContent === "no IPS up: closed"`), until(`document.querySelector("#ips .ok") === null`))
		b.ips.Dead(false)
		run(t, until(`document.querySelector("#ips .ok") !== null`))
	})
	t.Run("screens", func(t *testing.T) {
		b.t = t
		yaml := "metrics: \"" + metricsAddress + "\"\nuplinks: [{port: up0}]\n" +
			"trunks: [{port: trunk0, vlans: [0, 20]}, {port: trunk1, vlans: [30]}, {port: trunk2, vlans: [40]}]\n"
		b.reload(t, yaml)
		traffic()
		run(t, until(`document.getElementById("state").textContent === "converged"`))
		traffic()
		run(t, until(`document.querySelector(".link.left").classList.contains("busy")`))
		run(t,
			shot("page-wide", 960, 700, false), shot("", 960, 700, true),
			shot("", 375, 760, false), shot("page-phone-dark", 375, 760, true))
	})
	whole := t
	t.Run("fleet", func(t *testing.T) {
		b.t = t
		within = 4 * converge // hosts of a large fleet report at moments of chance, and the page asks every 5 s
		f := &fleetBed{bed: b, dir: b.env.Dir()}
		f.startServer(t)
		t.Cleanup(f.stopServer)
		if _, err := b.ctl.CLI("fleet", "init", "--db", f.endpoint()); err != nil {
			t.Fatal(err)
		}
		// This gateway, one whose report is hostile, and more than the page shows.
		const many = 250
		text := "profiles: {base: {uplinks: [{port: up0}]}}\nhosts:\n"
		for i := range many {
			text += fmt.Sprintf("  host%03d: {profiles: [base]}\n", i)
		}
		f.apply(t, text)
		status := func(name string, cfg int, state, why string) {
			f.tool(t, "ovsdb-client", "--timeout=20", "transact", f.endpoint(), fmt.Sprintf(`["IPS_Gateway",{"op":"insert","table":"Host_Status",
				"row":{"name":%q,"cur_cfg":%d,"state":%q,"error":%q,"reported":%d,"converged":true,"versions":["map",[["ofcontroller","0.9"]]]}}]`, name, cfg, state, why, time.Now().Unix()))
		}
		for i := range 5 {
			status(fmt.Sprintf("host%03d", i), 1, "applied", "")
		}
		status("host007", 0, "refused", "<b>profile base:4</b>: no such file")
		f.restart(whole, "ovsdb: ${DB}\ncontrol: ${CONTROL}\nbridge: {name: br0}\nmetrics: \""+metricsAddress+"\"\n"+
			"trunks: [{port: trunk0, vlans: [0, 20]}, {port: trunk1, vlans: [30]}, {port: trunk2, vlans: [40]}]\n"+
			"inspection: {attachments: [{name: standin, kind: port, port: ips0}], "+patientProbe()+"}\n"+
			fmt.Sprintf("fleet: {endpoints: [%q], name: host005, directory: \"${DIR}/kept\"}\n", f.endpoint()))
		run(
			t,
			until(`!document.getElementById("fleet-button").hidden`), chromedp.Click(`button[data-tab="fleet"]`), visible("#fleet td"),
			until(`document.querySelectorAll("#fleet tr").length === 200 && document.getElementById("fleet-more").textContent === "and 50 hosts more"`),
			until(`document.getElementById("fleet-about").textContent === "250 hosts: 6 ok, 1 refused, 243 unknown"`),
			until(`document.querySelectorAll("#fleet tr")[1].textContent.startsWith("host007refused<b>profile base:4</b>: no such file0 of 1")`),
			until(`document.querySelector("#fleet b") === null`),
		)
		run(t, shot("", 375, 760, true))
		if *screenshots { // of fewer, which fit a picture
			few := strings.Join(strings.SplitAfter(text, "\n")[:11], "")
			writeFile(t, filepath.Join(f.dir, "few.yaml"), few)
			if out, err := b.ctl.CLI("fleet", "apply", "--yes", "--prune", "--db", f.endpoint(), filepath.Join(f.dir, "few.yaml")); err != nil {
				t.Fatal(err, out)
			}
			f.tool(t, "ovsdb-client", "--timeout=20", "transact", f.endpoint(), `["IPS_Gateway",{"op":"update","table":"Host_Status","where":[["name","==","host007"]],"row":{"error":"profile base:4: no such file"}}]`)
			run(t, until(`document.querySelectorAll("#fleet tr").length === 9 && document.getElementById("fleet-more").textContent === ""`),
				until(`document.getElementById("fleet").textContent.includes("host005this gatewayok")`))
			run(t, shot("page-fleet", 960, 700, false))
		}
		f.stopServer()
		run(t, until(`document.getElementById("fleet-about").textContent.includes("no server of the fleet's database answers")`))
		run(t, chromedp.Click(`button[data-tab="frames"]`), visible("#origins"))
	})
	t.Run("the program ends", func(t *testing.T) {
		if err := b.ctl.Stop(); err != nil {
			t.Fatal(err)
		}
		run(t, until(`document.body.dataset.live === "no" && document.getElementById("state").textContent === "no answer"`))
	})
}
