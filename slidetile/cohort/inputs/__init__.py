"""Which slides a cohort has, and what each is called: files, folders, globs and manifests.

Knows paths, and what files are by their first bytes. Does not open slides.
"""
