package pdp

import (
	"hash/maphash"

	"github.com/portcullis-authz/portcullis/server/authz"
)

const (
	writePages = 64
	pageWrites = 64
)

// writes says when what is written was last written: for ids and logins by their
// hash, the number of the view that came of it. Of what is not written itself, one
// in 4,096 is taken for written with it. It is immutable; a copy with one more
// write takes 1 KiB.
type writes [writePages]*[pageWrites]int64

// with returns the writes with those of the changes, which lead to the view of the
// number. Users with a login that somebody takes or leaves are counted anew.
func (w *writes) with(seed maphash.Seed, number int64, changes []authz.EntityWrite) *writes {
	var next writes
	if w != nil {
		next = *w
	}
	var own [writePages]bool
	mark := func(page, at int) {
		if !own[page] {
			fresh := new([pageWrites]int64)
			if next[page] != nil {
				*fresh = *next[page]
			}
			next[page], own[page] = fresh, true
		}
		next[page][at] = number
	}
	for i := range changes {
		c := &changes[i]
		mark(place(seed, c.Entity.ID))
		was, is := loginOf(c.Old), loginOf(c.New)
		if was != is {
			mark(loginPlace(seed, was))
			mark(loginPlace(seed, is))
		}
	}
	return &next
}

// loginOf returns the login that a user takes up, as logins are compared.
func loginOf(e authz.Stored) string {
	if u, ok := e.(authz.User); ok && u.Active {
		return authz.FoldLogin(u.Login)
	}
	return ""
}

func place(seed maphash.Seed, id string) (page, at int) { return split(maphash.String(seed, id)) }

// loginPlace keeps logins apart from the ids that are the same words.
func loginPlace(seed maphash.Seed, login string) (page, at int) {
	return split(maphash.String(seed, login) >> 32)
}

func split(hash uint64) (page, at int) {
	return int(hash % writePages), int(hash / writePages % pageWrites)
}

// written returns the number of the view that came of the last write of what has the
// id; 0 when it was not written since the view's key is.
func (v *View) written(id string) int64 { return v.writes.at(place(v.key.seed, id)) }

// rewritten is written for who has the folded login.
func (v *View) rewritten(login string) int64 { return v.writes.at(loginPlace(v.key.seed, login)) }

func (w *writes) at(page, at int) int64 {
	if w == nil || w[page] == nil {
		return 0
	}
	return w[page][at]
}
