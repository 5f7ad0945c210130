# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings of Sphinx for `make docs`, which puts the pages of antsibull-docs beside this file's copy."""

from __future__ import annotations

project = "winops.kms"
copyright = "the winops.kms authors"  # noqa: A001 - Sphinx calls it so
title = html_short_title = html_title = "winops.kms"

extensions = ["sphinx.ext.intersphinx", "sphinx_antsibull_ext"]
# What the pages refer to of Ansible's own documentation stands in external_labels.yml: nothing is fetched.
intersphinx_mapping = {"ansible": ("https://docs.ansible.com/projects/ansible/latest/", "ansible.inv")}

default_role = "any"
nitpicky = True
pygments_style = "ansible"
highlight_language = "YAML+Jinja"

html_theme = "sphinx_ansible_theme"
html_theme_options = {"documentation_home_url": "https://docs.ansible.com/projects/ansible/latest/"}
html_static_path = ["static"]
html_css_files = ["page.css"]
html_show_sphinx = False
html_copy_source = False
html_use_smartypants = True
html_use_modindex = False
html_use_index = False
