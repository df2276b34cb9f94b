// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"ofcontroller/ofapp/control"
	"ofcontroller/ofapp/journal"
)

// Page is a part of a journal, for a client that follows it: it asks next for
// what is since Next. A client of another run of the program starts afresh.
type Page struct {
	Run    string   `json:"run"`    // of the program
	Next   uint64   `json:"next"`   // sequence number of the last record that the client has now
	Missed uint64   `json:"missed"` // records that were lost before these
	Head   string   `json:"head"`   // heading of a table, "" for the other forms
	Lines  []string `json:"lines"`  // a record each
}

// Bounds of a page.
const (
	pageRecords = 256
	pageBytes   = 1 << 20 // one record may be larger
)

// defaultLines is how many records are shown without -n, as by tail(1).
const defaultLines = 10

const journalHelp = "[-n N | --since SEQ [--run RUN]] [-o table|json|yaml] [--page]"

// journalQuery is what a client asks of a journal.
type journalQuery struct {
	last  int
	since uint64
	wait  bool // for what is after since
	run   string
	form  string // table, json or yaml
	page  bool
}

func parseJournalQuery(args []string) (journalQuery, error) {
	q := journalQuery{last: defaultLines, form: "table"}
	for i := 0; i < len(args); i++ {
		if args[i] == "--page" {
			q.page = true
			continue
		}
		if i+1 == len(args) {
			return q, fmt.Errorf("argument %q: %s would be right", args[i], journalHelp)
		}
		value := args[i+1]
		var err error
		switch args[i] {
		case "-n":
			if q.last, err = strconv.Atoi(value); err != nil || q.last < 0 {
				return q, fmt.Errorf("-n %s: a number from 0 would be right", value)
			}
		case "--since":
			if q.since, err = strconv.ParseUint(value, 10, 63); err != nil {
				return q, fmt.Errorf("--since %s: a sequence number would be right", value)
			}
			q.wait = true
		case "--run":
			q.run = value
		case "-o":
			if !control.KnownFormat(value) {
				return q, fmt.Errorf("-o %s: table, json or yaml would be right", value)
			}
			q.form = value
		default:
			return q, fmt.Errorf("argument %q: %s would be right", args[i], journalHelp)
		}
		i++
	}
	return q, nil
}

// journalView says how the records of a journal are shown.
type journalView[T any] struct {
	journal *journal.Journal[T]
	head    string
	line    func(journal.Record[T]) string
	object  func(journal.Record[T]) ([]byte, error)
}

// journalMethod answers with the newest records of a journal, or waits for the
// next ones.
func journalMethod[T any](run string, v journalView[T]) control.Method {
	return control.Method{
		Help: journalHelp,
		Call: func(ctx context.Context, args []string) (string, error) {
			q, err := parseJournalQuery(args)
			if err != nil {
				return "", err
			}
			p, err := v.read(ctx, run, q)
			if err != nil {
				return "", err
			}
			return p.render(q)
		},
		Waits: func(args []string) bool { return slices.Contains(args, "--since") },
	}
}

// read takes what the client asks for; when nothing comes for control.WaitTime
// the page is empty.
func (v journalView[T]) read(ctx context.Context, run string, q journalQuery) (Page, error) {
	p := Page{Run: run, Lines: []string{}}
	var records []journal.Record[T]
	if q.wait {
		newest := v.journal.Newest()
		if p.Next = q.since; q.since > newest || q.run != "" && q.run != run {
			p.Next = 0
		}
		ctx, cancel := context.WithTimeout(ctx, control.WaitTime)
		defer cancel()
		records, p.Missed = v.journal.Since(ctx, p.Next, pageRecords)
	} else {
		p.Next = v.journal.Newest() // when there is none to show
		records = v.journal.Last(q.last)
	}
	if q.form == "table" {
		p.Head = v.head
	}
	return p, v.fill(&p, records, q)
}

// fill writes the records. A page for one who reads on has a bound: the rest is
// left for the next.
func (v journalView[T]) fill(p *Page, records []journal.Record[T], q journalQuery) error {
	bytes := 0
	for _, r := range records {
		line, err := v.write(r, q.form)
		if err != nil {
			return fmt.Errorf("record %d: %w", r.Seq, err)
		}
		if bytes += len(line); q.wait && bytes > pageBytes && len(p.Lines) > 0 {
			return nil
		}
		p.Lines = append(p.Lines, line)
		p.Next = r.Seq
	}
	return nil
}

// write writes a record in a form: a line, or a document of YAML, which begins
// with --- as in a stream of them (YAML 1.2, 9.2).
func (v journalView[T]) write(r journal.Record[T], form string) (string, error) {
	if form == "table" {
		return v.line(r), nil
	}
	b, err := v.object(r)
	if err != nil || form == "json" {
		return string(b), err
	}
	text, err := control.Encode(form, json.RawMessage(b))
	return "---\n" + strings.TrimRight(text, "\n"), err
}

// render writes the page as a whole, or its lines only.
func (p Page) render(q journalQuery) (string, error) {
	if q.page {
		b, err := json.Marshal(p)
		return string(b), err
	}
	lines := p.Lines
	if q.form != "json" && p.Missed > 0 {
		lines = slices.Insert(slices.Clone(lines), 0, fmt.Sprintf("# %d missed", p.Missed))
	}
	if q.form == "table" {
		lines = slices.Insert(slices.Clone(lines), 0, p.Head)
	}
	return strings.Join(lines, "\n"), nil
}

func (a *App) eventView() journalView[Event] {
	number := func(r journal.Record[Event]) Event { r.Value.Seq = r.Seq; return r.Value }
	return journalView[Event]{
		journal: a.eventLog, head: eventHead,
		line:   func(r journal.Record[Event]) string { return number(r).line() },
		object: func(r journal.Record[Event]) ([]byte, error) { return json.Marshal(number(r)) },
	}
}
