// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"ofcontroller/flows"
	"ofcontroller/ofapp/offload"
	"ofcontroller/openflow"
	"ofcontroller/testenv"
)

// BenchmarkOffload gives a real switch the verdicts on so many new connections at
// once, and takes them away again. It tells the time until the switch has all
// flows, the CPU that ovs-vswitchd and this process spend on it, what both keep
// in memory, and what reading the flows back costs, as every audit does.
func BenchmarkOffload(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { benchOffload(b, n) })
	}
}

func benchOffload(b *testing.B, n int) {
	env := testenv.New(b, testenv.WithBridge("br0"))
	conn, err := openflow.Dial(b.Context(), openflow.Options{Endpoint: env.Mgmt("br0"), Log: logrus.New()})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	forms, err := newOffloadForms()
	if err != nil {
		b.Fatal(err)
	}
	a := &App{offloads: newOffloader(n), forms: forms, log: logrus.New()}
	ctx, stop := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- a.carryOut(ctx, conn) }()
	defer func() {
		stop()
		if err := <-done; !errors.Is(err, context.Canceled) {
			b.Error(err)
		}
	}()
	vswitchd := pidOf(b, env)
	heap, rss := heapInUse(), resident(b, vswitchd)
	var install, audit, switchCPU, ownCPU []float64
	for i := range max(b.N, 3) {
		began, cpu, own := time.Now(), cpuTime(b, vswitchd), cpuTime(b, os.Getpid())
		for k := range n {
			for {
				if v, _ := a.offloads.ask(bypassOf(k), "ips", began); v != flows.NoVerdict {
					break
				}
				time.Sleep(100 * time.Microsecond) // the queue is full, or the session about to begin
			}
		}
		awaitOffloads(b, a, conn, n)
		install = append(install, ms(time.Since(began)))
		switchCPU = append(switchCPU, ms(cpuTime(b, vswitchd)-cpu))
		ownCPU = append(ownCPU, ms(cpuTime(b, os.Getpid())-own))
		if i == 0 {
			b.ReportMetric(float64(heapInUse()-heap)/float64(n), "B-own/conn")
			b.ReportMetric(float64(resident(b, vswitchd)-rss)/float64(n), "B-vswitchd/conn")
		}
		began = time.Now()
		if _, err := dump(ctx, conn, forms, nil, nil); err != nil {
			b.Fatal(err)
		}
		audit = append(audit, ms(time.Since(began)))
		a.offloads.remove(func(offload.Entry) bool { return true })
		awaitOffloads(b, a, conn, 0)
	}
	per := float64(n) / 1000
	for unit, list := range map[string][]float64{"ms/1000": install, "ms-audit/1000": audit, "ms-CPU-vswitchd/1000": switchCPU, "ms-CPU-own/1000": ownCPU} {
		slices.Sort(list)
		b.ReportMetric(list[len(list)/2]/per, unit)
	}
}

// awaitOffloads waits until the switch has the flows of so many connections.
func awaitOffloads(b *testing.B, a *App, conn *openflow.Conn, n int) {
	b.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		a.offloads.mu.Lock()
		waiting := len(a.offloads.orders)
		a.offloads.mu.Unlock()
		if waiting == 0 {
			tables, err := conn.TableStats(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			for _, t := range tables {
				if t.Table == uint8(flows.TableOffload) && int(t.Active) == 2*n {
					return
				}
			}
		}
		if time.Now().After(end) {
			b.Fatalf("not %d connections within a minute", n)
		}
	}
}

func ms(d time.Duration) float64 { return d.Seconds() * 1000 }

func pidOf(b *testing.B, env *testenv.Env) int {
	b.Helper()
	text, err := os.ReadFile(filepath.Join(env.Dir(), "ovs-vswitchd.pid"))
	if err != nil {
		b.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		b.Fatal(err)
	}
	return pid
}

// heapInUse is the bytes of this process's heap that are in use.
func heapInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// resident is the resident memory of a process in bytes (proc(5), statm).
func resident(b *testing.B, pid int) int64 {
	return procField(b, pid, "statm", 1) * int64(os.Getpagesize())
}

// cpuTime is what a process has spent, in units of 10 ms (proc(5), stat).
func cpuTime(b *testing.B, pid int) time.Duration {
	return time.Duration(procField(b, pid, "stat", 13)+procField(b, pid, "stat", 14)) * 10 * time.Millisecond
}

func procField(b *testing.B, pid int, file string, n int) int64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		b.Fatal(err)
	}
	if at := strings.LastIndexByte(string(text), ')'); at >= 0 { // the name may have blanks
		text = append([]byte("0 0"), text[at+1:]...)
	}
	v, err := strconv.ParseInt(strings.Fields(string(text))[n], 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return v
}
