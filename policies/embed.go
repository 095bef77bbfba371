// Package policies holds the policies as shipped: the library, the presets, the
// schema of their input, and the Casbin model of a portal's role graphs. They are
// plain Rego; OPA's own tools work on this folder as it is.
package policies

import "embed"

// FS holds lib, presets and schema, tests included.
//
//go:embed lib presets schema
var FS embed.FS

// InputSchema is the JSON schema of input, the contract of every policy.
//
//go:embed schema/input.json
var InputSchema []byte

// RBACModel is the Casbin model: roles inherit roles (g), user types manage user
// types (g2), both with the portal as domain.
//
//go:embed rbac_model.conf
var RBACModel string
