// SPDX-License-Identifier: Apache-2.0

// Package schema holds the schema of the database of a fleet, IPS_Gateway, and its rows as Go structs, one file per table,
// generated from it. What the columns mean is told in docs/fleet-schema.md. Only package fleet uses it.
package schema

import _ "embed"

// Text is the schema as ovsdb-tool(1) reads it.
//
//go:embed ips-gateway.ovsschema
var Text []byte

//go:generate go run github.com/ovn-kubernetes/libovsdb/cmd/modelgen -p schema -o . ips-gateway.ovsschema
//go:generate sh -c "grep -L SPDX-License-Identifier *.go | xargs -r sed -i '1i // SPDX-License-Identifier: Apache-2.0\\n'"
