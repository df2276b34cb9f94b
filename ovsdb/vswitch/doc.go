// SPDX-License-Identifier: Apache-2.0

// Package vswitch holds the rows of the Open_vSwitch database as Go structs, one file per table, generated from the
// schema that Open vSwitch installs (vswitch.ovsschema; the columns are described in ovs-vswitchd.conf.db(5)).
// Only package ovsdb uses it.
package vswitch

//go:generate go run github.com/ovn-kubernetes/libovsdb/cmd/modelgen -p vswitch -o . /usr/share/openvswitch/vswitch.ovsschema
//go:generate sh -c "grep -L SPDX-License-Identifier *.go | xargs -r sed -i '1i // SPDX-License-Identifier: Apache-2.0\\n'"
