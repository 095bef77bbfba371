package csvfile_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/csvfile"
)

type object = map[string]any

type list = []any

// one returns the only row of a file.
func one(t *testing.T, kind authz.EntityKind, text string) csvfile.Row {
	t.Helper()
	rows, err := csvfile.Read(kind, strings.NewReader(text))
	require.NoError(t, err)
	require.Len(t, rows, 1)
	return rows[0]
}

func TestRead(t *testing.T) {
	for name, tt := range map[string]struct {
		kind authz.EntityKind
		text string
		key  authz.Key
		want object
	}{
		"user": {authz.UserEntity,
			"id,login,active,user_type,roles,account,contact,position,flags,attributes.city,attributes.x.y\n" +
				"ann,ann@x,TRUE,Customer,Clerk | Guest until 2026-12-31,ACME,C-1,Manager,super_user|admin=false,Bonn,42\n",
			authz.Key{Kind: authz.UserEntity, ID: "ann"},
			object{"id": "ann", "login": "ann@x", "active": true, "user_type": "Customer", "account": "ACME", "contact": "C-1", "position": "Manager",
				"grants":     list{object{"role": "Clerk"}, object{"role": "Guest", "until": "2026-12-31T00:00:00Z"}},
				"flags":      object{"super_user": true, "admin": false},
				"attributes": object{"city": "Bonn", "x.y": json.Number("42")}}},
		"grant in full": {authz.UserEntity, "id;roles\nann;Buyer from 2026-01-01T09:00:00+01:00 until 2026-02-01 by=bob why=stands in \\| a\\=b\n",
			authz.Key{Kind: authz.UserEntity, ID: "ann"},
			object{"id": "ann", "attributes": object{}, "grants": list{object{"role": "Buyer", "from": "2026-01-01T08:00:00Z", "until": "2026-02-01T00:00:00Z", "by": "bob", "why": "stands in | a=b"}}}},
		"roles that read like grants": {authz.UserEntity, "id,roles\nann,Guest until recalled | Signed by sales|a\\ until 1 day\n",
			authz.Key{Kind: authz.UserEntity, ID: "ann"},
			object{"id": "ann", "attributes": object{}, "grants": list{object{"role": "Guest until recalled"}, object{"role": "Signed by sales"}, object{"role": "a until 1 day"}}}},
		"empty cells": {authz.UserEntity, "id,login,roles,flags,attributes.a,attributes.b\nann,,,,,null\n",
			authz.Key{Kind: authz.UserEntity, ID: "ann"},
			object{"id": "ann", "grants": list{}, "flags": object{}, "attributes": object{"b": nil}}},
		"user type": {authz.UserTypeEntity, "\ufeffid,title,linked,allowed_roles,manages,licence,attributes.n\r\nA,Type A,contact,Clerk=default|Buyer\\=default,B | C,gold,\"{\"\"k\"\": [1.5, true]}\"\r\n",
			authz.Key{Kind: authz.UserTypeEntity, ID: "A"},
			object{"id": "A", "title": "Type A", "linked": "contact", "licence": "gold", "manages": list{"B", "C"},
				"allowed_roles": list{object{"role": "Clerk", "default": true}, object{"role": "Buyer=default", "default": false}},
				"attributes":    object{"n": object{"k": list{json.Number("1.5"), true}}}}},
		"role": {authz.RoleEntity, " id ;title;guest;inherits\n\"a;b\";\"two\nlines\";no;reader\n;;;\n",
			authz.Key{Kind: authz.RoleEntity, ID: "a;b"},
			object{"id": "a;b", "title": "two\nlines", "guest": false, "inherits": list{"reader"}, "attributes": object{}}},
		"right": {authz.RightEntity, "screen,role,level\nhome,Clerk, view\n", authz.Key{Kind: authz.RightEntity, Of: "Clerk", ID: "home"},
			object{"role": "Clerk", "node": "home", "level": "view"}},
		"formulas": {authz.RoleEntity, "id,title,attributes.a,attributes.b,attributes.c\n'=cmd,''+1,'-5,-6,'tis\n", authz.Key{Kind: authz.RoleEntity, ID: "=cmd"},
			object{"id": "=cmd", "title": "'+1", "attributes": object{"a": json.Number("-5"), "b": json.Number("-6"), "c": "'tis"}}},
		"texts that are no JSON": {authz.RoleEntity, "id,attributes.a,attributes.b,attributes.c\nr,007,\"\"\"42\"\"\",\"\"\"x\"\" y\"\n", authz.Key{Kind: authz.RoleEntity, ID: "r"},
			object{"id": "r", "attributes": object{"a": "007", "b": "42", "c": `"x" y`}}},
	} {
		t.Run(name, func(t *testing.T) {
			r := one(t, tt.kind, tt.text)
			require.Equal(t, 2, r.Line)
			require.Equal(t, tt.key, r.Key)
			got, change := r.Apply(nil)
			require.True(t, change)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestApply(t *testing.T) {
	user := func() object {
		return object{"id": "ann", "login": "ann@x", "active": true, "flags": object{"admin": true},
			"grants":     list{object{"role": "Clerk", "by": "bob", "why": "asked"}, object{"role": "Buyer", "until": "2026-02-01T00:00:00Z", "by": "bob"}},
			"attributes": object{"n": int64(5), "f": 2.0, "city": "Bonn"}}
	}
	right := func() object { return object{"role": "Clerk", "node": "home", "level": int64(1)} }
	for name, tt := range map[string]struct {
		kind   authz.EntityKind
		text   string
		before object
		change bool
		after  func(object)
	}{
		"nothing":                  {authz.UserEntity, "id\nann\n", user(), false, func(object) {}},
		"the same":                 {authz.UserEntity, "id,login,active,flags,attributes.n,attributes.f\nann,ann@x,1,admin,5,2\n", user(), false, nil},
		"other columns stay":       {authz.UserEntity, "id,active\nann,false\n", user(), true, func(u object) { u["active"] = false }},
		"taken away":               {authz.UserEntity, "id,login,attributes.city\nann,,\n", user(), true, func(u object) { delete(u, "login"); delete(u["attributes"].(object), "city") }},
		"flags are all there are":  {authz.UserEntity, "id,flags\nann,buyer\n", user(), true, func(u object) { u["flags"] = object{"buyer": true} }},
		"grants keep their reason": {authz.UserEntity, "id,roles\nann,Clerk|Buyer until 2026-02-01\n", user(), false, nil},
		"another end, another grant": {authz.UserEntity, "id,roles\nann,Clerk until 2027-01-01\n", user(), true, func(u object) {
			u["grants"] = list{object{"role": "Clerk", "until": "2027-01-01T00:00:00Z"}}
		}},
		"a grant with a reason": {authz.UserEntity, "id,roles\nann,Clerk why=new\n", user(), true, func(u object) {
			u["grants"] = list{object{"role": "Clerk", "by": "bob", "why": "new"}}
		}},
		"the same role from two": {authz.UserEntity, "id,roles\nann,Clerk | Clerk by=bob\n", object{
			"id": "ann", "attributes": object{}, "grants": list{object{"role": "Clerk"}, object{"role": "Clerk", "by": "bob"}},
		}, false, nil},
		"the same role from one more": {authz.UserEntity, "id,roles\nann,Clerk | Clerk\n", object{
			"id": "ann", "attributes": object{}, "grants": list{object{"role": "Clerk", "by": "bob"}},
		}, true, func(u object) { u["grants"] = list{object{"role": "Clerk", "by": "bob"}, object{"role": "Clerk"}} }},
		"level by rank":       {authz.RightEntity, "role,screen,level\nClerk,home,view\n", right(), false, nil},
		"another level":       {authz.RightEntity, "role,screen,level\nClerk,home,edit\n", right(), true, func(r object) { r["level"] = "edit" }},
		"level of JSON":       {authz.RightEntity, "role,screen,level\nClerk,home,view\n", object{"level": json.Number("1")}, false, nil},
		"level by name":       {authz.RightEntity, "role,screen,level\nClerk,home,view\n", object{"level": "view"}, false, nil},
		"level of the future": {authz.RightEntity, "role,screen,level\nClerk,home,revoked\n", object{"level": int64(256)}, true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := one(t, tt.kind, tt.text)
			before := fmt.Sprint(tt.before)
			after, change := r.Apply(tt.before)
			require.Equal(t, tt.change, change)
			require.Equal(t, before, fmt.Sprint(tt.before), "what was before is left alone")
			if tt.after != nil {
				want := tt.before
				tt.after(want)
				require.Equal(t, want, after)
			}
		})
	}
	for _, level := range []string{"inherit", "not_set"} {
		r := one(t, authz.RightEntity, "role,screen,level\nClerk,home,"+level+"\n")
		after, change := r.Apply(right())
		require.Nil(t, after)
		require.True(t, change)
		after, change = r.Apply(nil)
		require.Nil(t, after)
		require.False(t, change)
	}
}

func TestFaults(t *testing.T) {
	for name, tt := range map[string]struct {
		kind authz.EntityKind
		text string
		want string
	}{
		"empty":       {authz.RoleEntity, "", "1:1: the file is empty: its first line names the columns, such as id,title,guest,inherits,attributes.NAME"},
		"all at once": {authz.UserEntity, "id,activ,roles,login,login\nä;\"x\",1,,a,b\nann,1,Clerk until 2026-13-01,a,b\nann,1,a||b,a,b\n,1,,a,b\nx\n", "1:4: unknown column \"activ\": want one of id, login, active, user_type, roles, account, contact, position, flags, attributes.NAME; did you mean \"active\"?\n1:22: login: the column is there twice: take one away\n2:3: a quote stands within a cell: write the cell \"like \"\"this\"\"\""},
		"rows": {authz.UserEntity, "login,id,active,roles\nä,ann,1,Clerk until 2026-13-01\n\"ä\"\"\",ann,maybe,a||b\nx,,,\nx\ny,z,1,R by=a by=b\ny,w,,a\\b\n",
			"2:9: roles: entry 1: \"2026-13-01\" is no time: want 2026-12-31 or 2026-12-31T18:00:00Z\n" +
				"3:1: user \"ann\" is there twice: line 2 is about it too; take one away\n" +
				"3:11: active: \"maybe\" is neither true nor false\n" +
				"3:17: roles: entry 2 of the list is empty: take one \"|\" away\n" +
				"4:3: id: is empty: every row needs it\n" +
				"4:4: active: is empty: want true or false; leave the column out where it is not to change\n" +
				"5:1: the row has 1 cells and the first line 4: give each column its cell\n" +
				"6:7: roles: entry 1: \"by\" is there twice: take one away\n" +
				"7:5: active: is empty: want true or false; leave the column out where it is not to change\n" +
				"7:6: roles: a backslash in entry 1 of the list stands before none of \\, |, =, a space, n, r and t: write it twice"},
		"rights": {authz.RightEntity, "role,screen\nClerk,home\n", "1:1: level: the column is missing: every row needs it"},
		"levels": {authz.RightEntity, "role,screen,level\nClerk,home,veiw\nClerk,home,\n",
			"2:12: level: unknown level \"veiw\": want one of revoked, view, edit, insert, publish, delete, inherit, not_set; did you mean \"view\"?\n" +
				"3:1: right of role \"Clerk\" at screen \"home\" is there twice: line 2 is about it too; take one away\n3:12: level: is empty: every row needs it"},
		"attributes of rights": {authz.RightEntity, "role,screen,level,attributes.x\n", "1:19: unknown column \"attributes.x\": want one of role, screen, level"},
		"not closed":           {authz.RoleEntity, "id\na\n\"b\nc\n", "3:1: a quote of the row that begins here is not closed by line 4: close it, or write it twice"},
		"encoding":             {authz.RoleEntity, "id,title\na,\xe4\n", "2:3: title: \"\\xe4\" is not valid UTF-8: save the file as UTF-8"},
		"long cell":            {authz.RoleEntity, "id,title\na," + strings.Repeat("x", csvfile.MaxCell+1) + "\n", "2:3: title: the cell has 65537 bytes: at most 65536"},
		"types":                {authz.UserTypeEntity, "id,linked\na,contct\n", "2:3: linked: \"contct\" is unknown: want contact or employee"},
		"values": {authz.UserEntity, "id,roles,attributes.x\na,R until 0001-01-01,[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]\n",
			"2:3: roles: \"0001-01-01T00:00:00Z\" is out of range: want a year from 1000 to 9999; leave it out for no bound\n" +
				"2:22: attributes.x: is nested too deep: at most 16 lists and objects within one another"},
		"number":     {authz.UserEntity, "id,attributes.x y\na,1e999\n", "2:3: attributes.x y: \"1e999\" is no number that can be kept: want a whole number of 64 bits or a finite one of double precision"},
		"flag twice": {authz.UserEntity, "id,flags\na,x|x=false\n", "2:3: flags: flag \"x\" is there twice: take one away"},
	} {
		t.Run(name, func(t *testing.T) {
			rows, err := csvfile.Read(tt.kind, strings.NewReader(tt.text))
			require.Nil(t, rows)
			require.EqualError(t, err, tt.want)
			shared, ok := errors.AsType[authz.Faults](err)
			require.True(t, ok)
			require.Equal(t, tt.want, shared.Error())
		})
	}
}

func TestBounds(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		kind authz.Kind
		want string
	}{
		"rows":    {"id\n" + strings.Repeat("r\n", csvfile.MaxRows+1), authz.Internal, "more than 1000 faults"},
		"columns": {"id" + strings.Repeat(",x", csvfile.MaxColumns) + "\n", authz.TooLarge, "line 1 has more than 1000 columns"},
		"cells":   {"id\n\"a\n\"\nb" + strings.Repeat(",", csvfile.MaxColumns) + "\n", authz.TooLarge, "line 4 has more than 1000 columns"},
		"bytes":   {strings.Repeat("x", csvfile.MaxBytes+1), authz.TooLarge, "more than 16777216 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := csvfile.Read(authz.RoleEntity, strings.NewReader(tt.text))
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, tt.kind, authz.KindOf(err))
		})
	}
	var b strings.Builder
	b.WriteString("id\n")
	for i := range csvfile.MaxRows {
		fmt.Fprintf(&b, "r%d\n", i)
	}
	rows, err := csvfile.Read(authz.RoleEntity, strings.NewReader(b.String()))
	require.NoError(t, err)
	require.Len(t, rows, csvfile.MaxRows)
	_, err = csvfile.Read(authz.RoleEntity, strings.NewReader(b.String()+"one more\n"))
	require.Equal(t, authz.TooLarge, authz.KindOf(err))

	// Long lines are read in no more time than short ones.
	began := time.Now()
	_, err = csvfile.Read(authz.RoleEntity, strings.NewReader(strings.Repeat(",", csvfile.MaxBytes)))
	require.Equal(t, authz.TooLarge, authz.KindOf(err))
	head, row := "id", "x"
	for i := range csvfile.MaxColumns - 1 {
		head, row = fmt.Sprintf("%s,attributes.%d", head, i), row+","+strings.Repeat("ä", 8000)
	}
	one(t, authz.RoleEntity, head+"\n"+row+"\n")
	require.Less(t, time.Since(began), 30*time.Second)

	_, err = csvfile.Read(authz.AccountEntity, strings.NewReader("id\n"))
	require.ErrorContains(t, err, `entities of kind "account" have no form in CSV`)
	_, err = csvfile.Read(authz.RoleEntity, iotest.ErrReader(errors.New("gone")))
	require.Equal(t, authz.Unavailable, authz.KindOf(err))
}

func TestFaultOfARow(t *testing.T) {
	r := one(t, authz.UserEntity, "login,id,roles,attributes.a.b,attributes.a\nx,ann,Clerk,1,2\n")
	for path, want := range map[string]string{
		"grants[0].role":   "2:7: roles: m",
		"login":            "2:1: login: m",
		"attributes.a.b":   "2:13: attributes.a.b: m",
		"attributes.a.c.d": "2:15: attributes.a: m",
		"attributes.none":  "2:1: attributes.none: m",
		"account":          "2:1: account: m",
		"":                 "2:1: m",
	} {
		require.Equal(t, want, r.Fault(path, "m").String(), path)
	}
}

func TestWriteRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		kind authz.EntityKind
		doc  object
		want string
	}{
		"kind":            {authz.AccountEntity, object{"id": "a"}, "have no form in CSV"},
		"return":          {authz.RoleEntity, object{"id": "a", "title": "a\rb"}, "a.title: holds a carriage return"},
		"attribute":       {authz.RoleEntity, object{"id": "a", "attributes": object{"\r": 1}}, "holds a carriage return"},
		"missing":         {authz.RoleEntity, object{"title": "x"}, "id: is missing"},
		"list":            {authz.RoleEntity, object{"id": "a", "inherits": "b"}, "a.inherits: holds a string"},
		"entry":           {authz.RoleEntity, object{"id": "a", "inherits": list{1}}, "a.inherits: holds a int"},
		"empty entry":     {authz.RoleEntity, object{"id": "a", "inherits": list{""}}, "a.inherits: holds an empty entry"},
		"bool":            {authz.RoleEntity, object{"id": "a", "guest": "yes"}, "a.guest: holds a string"},
		"level":           {authz.RightEntity, object{"role": "a", "node": "n", "level": int64(300)}, "a.level: holds a int64"},
		"level by name":   {authz.RightEntity, object{"role": "a", "node": "n", "level": "inherit"}, `unknown level "inherit"`},
		"grant":           {authz.UserEntity, object{"id": "a", "grants": list{object{"by": "x"}}}, "a.roles: holds a map"},
		"time of a grant": {authz.UserEntity, object{"id": "a", "grants": list{object{"role": "r", "until": 5}}}, "a.roles: holds a int"},
		"flag":            {authz.UserEntity, object{"id": "a", "flags": object{"x": "on"}}, "a.flags: holds a string"},
		"long":            {authz.RoleEntity, object{"id": "a", "title": "=" + strings.Repeat("x", csvfile.MaxCell-1)}, "a.title: is 65537 bytes long"},
		"value":           {authz.RoleEntity, object{"id": "a", "attributes": object{"x": func() {}}}, "a.attributes.x: cannot be written as JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			err := csvfile.Write(&strings.Builder{}, tt.kind, []object{tt.doc})
			require.ErrorContains(t, err, tt.want)
		})
	}
	require.Equal(t, authz.TooLarge, authz.KindOf(csvfile.Write(&strings.Builder{}, authz.RoleEntity, make([]object, csvfile.MaxRows+1))))
	wide := object{}
	for i := range csvfile.MaxColumns {
		wide[fmt.Sprint(i)] = true
	}
	require.Equal(t, authz.TooLarge, authz.KindOf(csvfile.Write(&strings.Builder{}, authz.RoleEntity, []object{{"id": "a", "attributes": wide}})))
	require.Equal(t, authz.Unavailable, authz.KindOf(csvfile.Write(failing{}, authz.RoleEntity, []object{{"id": "a"}})))
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("full") }

// TestWriteIsHarmless: no cell begins as a formula.
// TestLargeNumbers: a number beyond 64 bits is read back as the one of double precision
// that was written.
func TestLargeNumbers(t *testing.T) {
	for _, n := range []float64{1 << 63, -1 << 63, 1e20, 1e300, 1<<63 - 1024, 0.5} {
		var b strings.Builder
		require.NoError(t, csvfile.Write(&b, authz.RoleEntity, []object{{"id": "r", "attributes": object{"a": n, "b": list{object{"c": n}}}}}))
		rows, err := csvfile.Read(authz.RoleEntity, strings.NewReader(b.String()))
		require.NoError(t, err, b.String())
		doc, _ := rows[0].Apply(nil)
		var read struct {
			Attributes struct {
				A float64
				B []struct{ C float64 }
			}
		}
		require.NoError(t, json.Unmarshal([]byte(asJSON(t, doc)), &read))
		require.Equal(t, n, read.Attributes.A)
		require.Equal(t, n, read.Attributes.B[0].C)
	}
}

func TestWriteIsHarmless(t *testing.T) {
	var b strings.Builder
	require.NoError(t, csvfile.Write(&b, authz.RoleEntity, []object{{"id": "=1+1", "title": " @SUM(A1)", "inherits": list{"+a", "'-b"}, "attributes": object{"n": int64(-5), "t": "\tx"}}}))
	require.Equal(t, "id,title,guest,inherits,attributes.n,attributes.t\n'=1+1,' @SUM(A1),false,'+a | '-b,'-5,'\tx\n", b.String())
}

// TestColumnsAreDocumented holds doc.go against the columns.
func TestColumnsAreDocumented(t *testing.T) {
	doc := readDoc(t)
	for _, kind := range csvfile.Kinds() {
		require.Contains(t, doc, strings.Join(csvfile.Columns(kind), ", ")+"\n")
	}
	require.Nil(t, csvfile.Columns(authz.RecordEntity))
}
