// SPDX-License-Identifier: Apache-2.0

// Package docs holds the documentation, and keeps its generated parts at what
// the program says of itself.
//
// It owns the form of a generated part: what stands between the lines
//
//	<!-- begin generated: NAME -->
//	<!-- end generated: NAME -->
//
// of a Markdown file. Tests write the parts and compare them; the tests here
// also follow the links and look up the keys, commands and targets that the text
// names. The package has nothing that a running program uses, and imports no
// other package of this module but in its tests.
package docs
