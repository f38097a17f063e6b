"""The HTTP routes of the responder, one file for each group.

`alerts` takes alerts in, shows and retries them; `incidents` shows incidents; `health` reports on the responder itself.
`auth` checks the token, `models` has the models of the responses, and `views` builds those of alerts.
"""
