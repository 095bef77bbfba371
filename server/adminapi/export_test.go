package adminapi

import "github.com/danielgtaylor/huma/v2"

// Described returns what the OpenAPI document is made of.
func (a *API) Described() *huma.OpenAPI { return a.described }

// DecodeObject, DecodeValue and DecodeStruct read a body.
var (
	DecodeObject = decodeObject
	DecodeValue  = decodeValue
	DecodeStruct = decodeStruct
)

// Bounds of one body.
const (
	MaxDepth  = maxDepth
	MaxValues = maxValues
)
