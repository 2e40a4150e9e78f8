"""What to do if a step fails, by its act: for whoever reads it on paper, with the screen full of messages.

Every act of ours is here; a step of anybody else's gets what is true of every step.
"""

from __future__ import annotations

REMEDIES = {
    "fence": "It does not fail: what nobody could confirm is graded `assumed`, and it goes on (but not without the witness: "
    "code 88). If the old site writes to anything but checkpoints, cut it off by other means: power, network, credentials.",
    "lease": "It waits until the old site's leases have ended, no longer than this line says. Nothing is to be done.",
    "seal": "Bring the repository that it names within reach. If it is lost, type the promote command again: the new plan leaves "
    "it out, and asks for consent if it may hold what was acknowledged.",
    "assign": "Look first at who writes now (drstack status ENV): another may have been faster. Else see: the witness is away.",
    "requests": "`answers` moves them later. By hand: drstack traffic ENV --to SITE=100.",
    "capacity": "The message says what the site lacks. Free slots, or raise its bound (drstack up ENV --site SITE), then resume. "
    "What was won is kept.",
    "pin": "The repository is away or refuses writes: bring it back, then resume.",
    "restore": "It tried every repository, then older checkpoints within the agreed loss. Free disk, or repair a repository "
    "from a peer (drstack checkpoints repair), then resume.",
    "start": "Look at the trainer's log at SITE and mend what it says (driver, GPU, data), then resume. It starts "
    "from the same step.",
    "prove": "The run started and makes no steps: look at its log. If it is known to be well, skip it.",
    "answers": "Replicas are not ready: look at their log at SITE. By hand: drstack traffic ENV --to SITE=100.",
    "reconcile": "The work runs. Skip it, and run drstack up ENV --site SITE in the morning.",
    "rejoin": "The target's repository is away: bring it within reach, then resume.",
    "quiesce": "The run does not stop: look at it, then resume; or abort, nothing was moved yet.",
    "ship": "The last checkpoint does not arrive: look at the link and at the replicators. Abort lets it go on where it was.",
    "wait": "It waits for a person: do what it says, then drstack confirm ENV, with the step's name. Nothing is to be mended.",
    "release": "The old site keeps its size. Skip it, and run drstack up ENV --site SITE later.",
}
OTHER = "Do what the message names, then resume: the step is looked at before it is done again."
LEFT_OUT = " If the rest can do without: skip it."


def remedy(act: str, *, skippable: bool) -> str:
    """What to do, in words. Commands in it take ENV and SITE as they are."""
    told = REMEDIES.get(act, OTHER)
    return told + LEFT_OUT if skippable and "kip it" not in told else told
