decision := {"outcome": "deny", "reason": "not_granted"}
