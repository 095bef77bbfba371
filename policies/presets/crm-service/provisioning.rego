package presets.crm_service

# METADATA
# title: What a saved contact or user sets going
# description: |
#   The workflows of the setting `workflows`, as data: each a list of conditions,
#   all of which must hold, and tasks that give or take access. A login follows the
#   mail address of its contact at once. A portal user that a task makes has the id
#   of its contact.
# entrypoint: true
provisioning := {"tasks": [task | some task in tasks]}

# METADATA
# title: The login follows the mail address
# description: An address that is cleared leaves nothing to log in by.
# custom: {id: login_follows_email}
tasks contains {"id": concat("", ["login.", user.id]), "kind": "update", "entity": named(user), "set": {"login": email}} if {
	contact_saved
	some user in input.users
	object.get(user, "login", "") != email
}

# METADATA
# title: Tasks of the workflows
# custom: {id: workflow_task}
tasks contains object.union(effect, timing) if {
	some run in runs
	some effect in effects(run.id, run.task)
	timing := object.filter(run, ["after", "once"])
}

# METADATA
# title: A delayed task whose conditions are looked at once more
# description: |
#   With the setting `recheck_after_delay`, what waits is not the task but a mark on
#   the contact. The save that sets it runs this one task, if its conditions still hold.
# custom: {id: workflow_recheck}
tasks contains object.union(mark, timing) if {
	some run in met_runs
	run.after
	data.portal.settings.recheck_after_delay == true
	mark := {
		"id": run.id,
		"kind": "update",
		"entity": concat("/", ["contact", input.entity.id]),
		"set": {"attributes": {"workflow_due": {run.id: input.context.now}}},
	}
	timing := object.filter(run, ["after", "once"])
}

# METADATA
# title: Mail to a user who may log in for the first time
# custom: {id: first_login_mail}
tasks contains {"id": "first_login", "kind": "mail", "template": template, "to": input.new.login, "once": true} if {
	template := data.portal.settings.first_login_mail
	user_activated
	not "first_login" in {id | some id in input.latches}
}

# METADATA
# title: Warning that a workflow undoes a block by hand
# custom: {id: warn_reactivated}
tasks contains object.union({"id": id, "kind": "mail", "template": "portal_user_reactivated", "to": to}, timing) if {
	to := data.portal.settings.warn_to
	some run in runs
	some effect in effects(run.id, run.task)
	effect.set.active == true
	some user in input.users
	named(user) == effect.entity
	user.active == false
	id := concat("", [effect.id, ".warning"])
	timing := object.filter(run, ["after"])
}

# METADATA
# title: Warning that nobody who has this address can log in any more
# custom: {id: warn_not_unique}
tasks contains {"id": "login_not_unique", "kind": "mail", "template": "login_not_unique", "to": to} if {
	to := data.portal.settings.warn_to
	user_activated
	input.same_login > 0
}

# METADATA
# description: A user with a login is active from now on, or is active under another login.
user_activated if {
	input.entity.kind == "user"
	input.new.active == true
	input.new.login
	not was_active
}

was_active if {
	input.old.active == true
	input.old.login == input.new.login
}

contact_saved if {
	input.entity.kind == "contact"
	input.operation in {"create", "update"}
}

email := object.get(input.new, "email", "")

# METADATA
# description: |
#   The tasks that run because of this save: at once, after their delay, or because
#   that is over.
runs contains run if {
	some run in met_runs
	not waits(run)
}

runs contains {"id": concat("", [id, ".rechecked"]), "task": task} if {
	some workflow in data.portal.settings.workflows
	some task in workflow.tasks
	id := concat(".", [workflow.id, task.id])
	id in rechecked
	task.active == true
	conditions_hold(workflow)
}

waits(run) if {
	run.after
	data.portal.settings.recheck_after_delay == true
}

# METADATA
# description: |
#   The active tasks of the workflows whose conditions hold at this save, each with
#   its delay in seconds and whether it runs but once. A save that only looks at a
#   delayed task again sets nothing else going.
met_runs contains run if {
	contact_saved
	count(rechecked) == 0
	some workflow in data.portal.settings.workflows
	triggered[workflow.mode]
	conditions_hold(workflow)
	some task in workflow.tasks
	task.active == true
	id := concat(".", [workflow.id, task.id])
	not stopped(workflow, id)
	run := object.union_n([
		{"id": id, "task": task},
		{"after": task.delay | task.delay > 0},
		{"once": true | workflow.mode == "first_time"},
	])
}

# METADATA
# description: Modes that run at this save.
triggered["every_save"] := true

triggered["first_time"] := true

triggered["first_save"] if input.operation == "create"

# METADATA
# description: What ran for the first time has run for ever.
stopped(workflow, id) if {
	workflow.mode == "first_time"
	some latch in input.latches
	latch == id
}

# METADATA
# description: The tasks whose delay is over with this save.
rechecked contains id if {
	contact_saved
	some id, mark in input.new.attributes.workflow_due
	mark != object.get(input.old, ["attributes", "workflow_due", id], "")
}

conditions_hold(workflow) if {
	workflow.module == "contacts"
	is_array(workflow.conditions)
	every condition in workflow.conditions {
		holds(condition)
	}
}

# METADATA
# description: |
#   A condition on a field of the contact; `attributes.region` is one below. It is
#   empty when there is nothing in it but blanks. An operator that is not known never
#   holds. At a second look, that a field changed is taken as said.
holds(condition) if {
	condition.op == "empty"
	is_empty(now_in(condition.field))
}

holds(condition) if {
	condition.op == "not_empty"
	value := now_in(condition.field)
	not is_empty(value)
}

holds(condition) if {
	condition.op == "equals"
	now_in(condition.field) == condition.value
}

holds(condition) if {
	condition.op == "not_equals"
	now_in(condition.field) != condition.value
}

holds(condition) if {
	condition.op == "changed"
	now_in(condition.field) != before_in(condition.field)
}

holds(condition) if {
	condition.op == "unchanged"
	now_in(condition.field) == before_in(condition.field)
}

holds(condition) if {
	condition.op in {"changed", "unchanged"}
	count(rechecked) > 0
}

now_in(field) := object.get(input.new, split(field, "."), "")

before_in(field) := object.get(before, split(field, "."), "")

before := input.old

before := {} if input.operation == "create"

is_empty(value) if {
	is_string(value)
	trim_space(value) == ""
}

is_empty(null)

# METADATA
# description: What a task does to each portal user of the contact, and to the one that there is to be.
effects(id, task) := [effect |
	some i, user in input.users
	effect := {"id": numbered(id, i), "kind": "update", "entity": named(user), "set": access(task)}
] if {
	input.users[0]
	task.kind == "add_or_update_portal_user"
}

effects(id, task) := [{
	"id": id, "kind": "create", "entity": concat("/", ["user", input.entity.id]),
	"set": object.union_n([
		{"login": email, "contact": input.entity.id, "active": false},
		{"account": account | account := input.new.account},
		{"user_type": type | type := data.portal.settings.portal_user_type},
		access(task),
	]),
}] if {
	not input.users[0]
	task.kind == "add_or_update_portal_user"
}

effects(id, task) := [object.union({"id": numbered(id, i), "entity": named(user)}, removal(task)) |
	some i, user in input.users
] if {
	task.kind == "remove_portal_user"
}

removal(task) := {"kind": "update", "set": {"active": false, "grants": []}} if task.clear_profile == true

else := {"kind": "deactivate"}

# METADATA
# description: What the task says of access; what it does not say stays as it is.
access(task) := object.union_n([
	{"active": active | active := task.access.active},
	{"grants": [{"role": profile_id}] | profile_id := task.access.profile},
	{"flags": {"admin": admin} | admin := task.access.admin},
])

named(user) := concat("/", ["user", user.id])

numbered(id, 0) := id

numbered(id, i) := concat(".", [id, format_int(i, 10)]) if i > 0
