"""The pages for people: the incident's page and the list, how people sign in, and the forms.

`sign_in.py` says who it is, `view.py` what the page shows, `rendering.py` how, `forms.py` what a form may do, and
`routes.py` puts them together. The forms send the commands of `allclear.commands`; no rule of the response is here.
"""
