// Package webhook hands the mails that a portal's policy wants sent to the
// program that sends them: one signed HTTP request each, in the form of Standard
// Webhooks (https://www.standardwebhooks.com).
//
// The body is a JSON object, the same at every attempt:
//
//	{
//	  "id": "0192f0c1-...",                what webhook-id says
//	  "type": "mail",
//	  "portal": "sweetlife",
//	  "template": "first_login",           which mail, as the policy names it
//	  "to": "ann@acme.example",
//	  "cause": "user/ann",                 the entity whose write led to the mail
//	  "at": "2026-03-01T09:30:00Z"         when that write was made
//	}
//
// A member "entity" is there when the policy names one that the mail is about.
// Three headers belong to it:
//
//	webhook-id          the same at every attempt: a receiver that has seen it answers 2xx and does no more
//	webhook-timestamp   seconds since 1970 of this attempt
//	webhook-signature   one or more of v1,<base64>, separated by spaces
//
// A signature is the HMAC-SHA256 of the text "<id>.<timestamp>.<body>", where
// body is the bytes as they came. Its key is what stands behind "whsec_" in the
// secret, decoded from base64. A receiver takes a request for genuine when any of
// the signatures is right, compared in constant time, and the timestamp is at most
// five minutes away from its own clock; the example shows it. While a secret is
// being replaced, both may be configured, the new one first: each request then
// carries a signature by either.
//
// Any status from 200 to 299 says that the mail is the receiver's now. 410 says
// that it never will be. After anything else, and when there is no answer within
// the time, the mail is sent again later; Retry-After, in seconds or as a date,
// says when. Redirects are not followed and no proxy is used: what is sent goes
// to the configured address or nowhere. Of an answer, no more than its status and
// headers matter, and no more than a few KB are read.
package webhook
