package policytest_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAcumatica(t *testing.T) {
	p := load(t, "acumatica")
	decide, err := p.decider(p.worlds, p.program)
	require.NoError(t, err)
	for i := range p.suite.Cases {
		c := &p.suite.Cases[i]
		t.Run(c.String(), func(t *testing.T) {
			require.NoError(t, c.Check(t.Context(), decide))
		})
	}
}
