"""Data frames in, plotly figures out. Pure: no streamlit, no clock, no reading of anything."""
