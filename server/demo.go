package server

import (
	"io/fs"

	"github.com/portcullis-authz/portcullis/fixtures"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/fixture"
)

// demoPreset is the preset whose portals are the demo.
const demoPreset = "acumatica"

// DemoWorlds returns the portals of the demo, which come with the program.
func DemoWorlds() ([]authz.World, error) {
	root, err := fs.Sub(fixtures.FS, demoPreset)
	if err != nil {
		return nil, authz.Errorf(authz.Internal, "the demo's portals are missing").Because(err)
	}
	return fixture.Load(root)
}
