"""A run as one HTML file that needs nothing else: no server, no network, no other file.

``build.write`` makes it. What the file says is decided here; how it looks stands in ``template.html``, ``report.css`` and ``report.js``.
Nothing of this room imports streamlit.
"""
