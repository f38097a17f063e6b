"""What is installed, described for people: `allclear actions`, docs/actions.md and docs/systems.md."""
