package mongodb

import (
	"slices"
	"strings"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// latchDoc holds the ids of all tasks with Once that are stored or done for one
// entity, so that they are read by _id.
type latchDoc struct {
	Meta   meta     `bson:",inline"`
	Entity keyDoc   `bson:"entity"`
	Tasks  []string `bson:"tasks"`
}

// latchID returns the _id of the entity's latches. The slashes of what stands
// before the id are escaped, so that no two entities share one.
func latchID(portal string, k authz.Key) string {
	of := strings.NewReplacer("%", "%25", "/", "%2F").Replace(k.Of)
	return portal + "/" + string(k.Kind) + "/" + of + "/" + k.ID
}

func newLatchDoc(portal string, k authz.Key) *latchDoc {
	return &latchDoc{Meta: meta{ID: latchID(portal, k), Portal: portal}, Entity: keyDocOf(k)}
}

// add puts the task in, and reports false when it is there already.
func (d *latchDoc) add(task string, st stamp) bool {
	if slices.Contains(d.Tasks, task) {
		return false
	}
	d.Tasks = append(d.Tasks, task)
	d.Meta.Revision, d.Meta.UpdatedAt, d.Meta.UpdatedBy = st.revision, st.at, st.by
	return true
}
