package httpapi

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Keys knows callers by their keys. It is called from many goroutines at once.
type Keys interface {
	// Authenticate returns the caller whose key the token is, which is not changed
	// afterwards by anybody. A token that is no key, or none that counts at now, is
	// an authz.Unauthenticated error; authz.Unavailable says that it is not known.
	Authenticate(token string, now time.Time) (*authz.Caller, error)
}

// KeysFunc is a function that is [Keys].
type KeysFunc func(token string, now time.Time) (*authz.Caller, error)

// Authenticate calls f.
func (f KeysFunc) Authenticate(token string, now time.Time) (*authz.Caller, error) {
	return f(token, now)
}

// noKeys knows nobody.
func noKeys(string, time.Time) (*authz.Caller, error) {
	return nil, authz.Errorf(authz.Unauthenticated, "this service takes no keys: leave the header Authorization out")
}

// permissions says which part of the service each path below a portal belongs to.
// A path that is not here is open to nobody.
var permissions = map[string]authz.Permission{
	pathEvaluation:               authz.PermitDecide,
	pathEvaluations:              authz.PermitDecide,
	"/access/v1/search/subject":  authz.PermitSearch,
	"/access/v1/search/resource": authz.PermitSearch,
	"/access/v1/search/action":   authz.PermitSearch,
	"/access/v1/manifest":        authz.PermitSearch,
	"/access/v1/filter":          authz.PermitSearch,
	"/access/v1/explain":         authz.PermitExplain,
	"/access/v1/log":             authz.PermitLog,
}

// pathAdmin begins the paths of the administration.
const pathAdmin = "/admin/v1"

// headerUser names the user for whom a call of the administration is made.
const headerUser = "Portcullis-User"

// adminTimeout bounds a call of the administration, imports included.
const adminTimeout = time.Minute

// access is what a request was let in with.
type access struct {
	caller *authz.Caller // nil: no key was sent
	portal string        // from the path, and where it matters with the default portal's id in place of ""
}

// handler answers a request that was let in.
type handler func(*fiber.Ctx, access) error

// guarded lets h answer those who may use the part of the service.
func (s *Server) guarded(need authz.Permission, h handler) fiber.Handler {
	return func(c *fiber.Ctx) error {
		a, err := s.admit(c, need)
		if err != nil {
			return err
		}
		return h(c, a)
	}
}

// admit says who calls and whether the part of the service is open to them for the
// portal of the path. A key that does not count lets nobody in, not even to what
// needs no key.
func (s *Server) admit(c *fiber.Ctx, need authz.Permission) (access, error) {
	a := access{portal: c.Params("portal")}
	caller, err := s.authenticate(&c.Request().Header)
	switch {
	case err != nil:
		return a, err
	case caller != nil:
		a.caller = caller
		return a, s.opens(&a, need)
	case !slices.Contains(s.opts.Anonymous, need):
		return a, keyMissing()
	}
	return a, nil
}

// authenticate returns the caller whose key the request carries, or nil when it
// carries none.
func (s *Server) authenticate(h *fasthttp.RequestHeader) (*authz.Caller, error) {
	token, err := bearer(h.PeekAll(fiber.HeaderAuthorization))
	if err != nil || token == "" {
		return nil, err
	}
	caller, err := s.opts.Keys.Authenticate(token, s.opts.Now())
	if err == nil && caller == nil {
		return nil, authz.Errorf(authz.Internal, "a key is nobody's")
	}
	return caller, err
}

// bearer returns the token of the Authorization header, whose values are given, or
// "" when there is none. Another scheme than Bearer is for others, such as a proxy
// on the way, and is no key.
func bearer(values [][]byte) (string, error) {
	switch len(values) {
	case 0:
		return "", nil
	case 1:
	default:
		return "", authz.Errorf(authz.Unauthenticated, "the header Authorization is there %d times: send it once", len(values))
	}
	scheme, token, _ := strings.Cut(strings.Trim(string(values[0]), " \t"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", nil
	}
	if token = strings.TrimLeft(token, " "); token == "" {
		return "", authz.Errorf(authz.Unauthenticated, "the header Authorization holds no key: want Authorization: Bearer ptc_...")
	}
	return token, nil
}

func keyMissing() error {
	return authz.Errorf(authz.Unauthenticated, "this takes a key: send it as Authorization: Bearer ptc_..., the way portcullis key create shows it")
}

// opens refuses a key that does not open the part of the service for the portal.
func (s *Server) opens(a *access, need authz.Permission) error {
	if err := permitted(a.caller, need); err != nil {
		return err
	}
	if a.caller.Opens(need, "") {
		return nil
	}
	asked := a.portal
	if asked == "" {
		id, err := s.opts.DefaultPortal()
		if err != nil {
			return err
		}
		a.portal = id
	}
	return portalOpen(a.caller, need, a.portal, asked)
}

// permitted refuses a key that lacks the permission for any portal.
func permitted(caller *authz.Caller, need authz.Permission) error {
	if slices.Contains(caller.Permissions, need) {
		return nil
	}
	return authz.Errorf(authz.Forbidden, "the key %q lacks the permission %s: it has %s", clip(caller.Name, 80), need, joined(caller.Permissions))
}

// portalOpen refuses a key that does not open the portal, which was asked for by
// that name, "" for the default portal.
func portalOpen(caller *authz.Caller, need authz.Permission, portal, asked string) error {
	switch {
	case caller.Opens(need, portal):
		return nil
	case asked == "":
		return authz.Errorf(authz.Forbidden, "the key %q does not open the default portal: ask below /portals/{portal} for one that it opens", clip(caller.Name, 80))
	}
	return authz.Errorf(authz.Forbidden, "the key %q does not open portal %q", clip(caller.Name, 80), clip(asked, 80))
}

func joined(ps []authz.Permission) string {
	if len(ps) == 0 {
		return "none"
	}
	names := make([]string, len(ps))
	for i, p := range ps {
		names[i] = string(p)
	}
	return strings.Join(names, ", ")
}

// admin lets a call of the administration pass, with who makes it in the user
// context. It always takes a key.
func (s *Server) admin(c *fiber.Ctx) error {
	caller, err := s.authenticate(&c.Request().Header)
	if err != nil {
		return err
	}
	if caller == nil {
		return keyMissing()
	}
	if err := adminOpen(caller, c.Path()); err != nil {
		return err
	}
	user, err := actingUser(caller, c.Request().Header.PeekAll(headerUser))
	if err != nil {
		return err
	}
	ctx, cancel := s.within(c, adminTimeout)
	defer cancel()
	c.SetUserContext(authz.WithActing(ctx, authz.Acting{Caller: caller, User: user}))
	return c.Next()
}

// adminOpen refuses a key that does not open the path of the administration. What
// belongs to no portal takes a key to all of them, except for the list of portals
// and the description of the API, in which there is nothing to guard. The path is
// the one that routes are chosen by, as it was sent, and the portal is unescaped as
// the routes below it do.
func adminOpen(caller *authz.Caller, path string) error {
	if err := permitted(caller, authz.PermitAdmin); err != nil {
		return err
	}
	rest := strings.TrimPrefix(path, pathAdmin)
	if rest == "/portals" || rest == "/openapi.json" {
		return nil
	}
	if below, ok := strings.CutPrefix(rest, "/portals/"); ok {
		segment, _, _ := strings.Cut(below, "/")
		if portal, err := url.PathUnescape(segment); err == nil && portal != "" {
			return portalOpen(caller, authz.PermitAdmin, portal, portal)
		}
	}
	if caller.Opens(authz.PermitAdmin, "") {
		return nil
	}
	return authz.Errorf(authz.Forbidden, "this is no portal's alone, and the key %q does not open all portals", clip(caller.Name, 80))
}

// actingUser returns who acts in a call with the key: the user in the header, whose
// values are given, if the key may act for that user; else the one whom the key is
// bound to, or "" for the caller itself. A key that acts for users has to name one: a
// program that forgets to must not act with the powers of the service.
func actingUser(caller *authz.Caller, values [][]byte) (string, error) {
	switch len(values) {
	case 0:
		if len(caller.ActsFor) > 0 {
			return "", authz.Errorf(authz.Forbidden, "the key %q acts for users: name the one who acts in the header %s", clip(caller.Name, 80), headerUser)
		}
		return caller.User, nil
	case 1:
	default:
		return "", authz.Errorf(authz.Invalid, "the header %s is there %d times: name one user", headerUser, len(values))
	}
	user := string(values[0])
	if !caller.MayActFor(user) {
		return "", authz.Errorf(authz.Forbidden, "the key %q may not act for user %q, whom the header %s names", clip(caller.Name, 80), clip(user, 80), headerUser)
	}
	return user, nil
}

// acting adds to ctx who makes the call, when a key says so.
func (a *access) acting(ctx context.Context) context.Context {
	if a.caller == nil {
		return ctx
	}
	return authz.WithActing(ctx, authz.Acting{Caller: a.caller, User: a.caller.User})
}

// challenge is the WWW-Authenticate header of a 401 answer.
func challenge(h *fasthttp.RequestHeader) string {
	if token, err := bearer(h.PeekAll(fiber.HeaderAuthorization)); token == "" && err == nil {
		return `Bearer realm="portcullis"`
	}
	return `Bearer realm="portcullis", error="invalid_token"`
}
