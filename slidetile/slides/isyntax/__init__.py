"""Slides in Philips iSyntax files."""
