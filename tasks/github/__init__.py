"""The actions of GitHub: opening a revert, merging a pull request, running a workflow, and issues."""
