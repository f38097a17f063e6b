"""What people do in Slack: presses, commands and forms, over signed HTTP or Socket Mode, in one handler."""
