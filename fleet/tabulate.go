// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// tabulate makes a table for a terminal, without the last line's end. The cells of the header and of each line are apart by tabs.
func tabulate(header string, lines func(line func(format string, cells ...any))) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, header)
	lines(func(format string, cells ...any) { fmt.Fprintf(w, format+"\n", cells...) })
	w.Flush()
	return strings.TrimRight(b.String(), "\n")
}
