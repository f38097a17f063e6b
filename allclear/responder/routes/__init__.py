"""What can be asked of the responder over HTTP: one file for each kind of door.

`alerts` takes alerts in and says what became of them, `incidents` shows how incidents stand, `health` says how the
responder itself is. `token` guards, `answers` is what they answer.
"""
