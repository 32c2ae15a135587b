"""The frame: page config, navigation, footer. Every page is one row here; what it shows is its own business."""

import streamlit as st

from ui import draw, page, theme

# Before st.navigation, and with an emoji: else the page icons below make the browser ask a foreign host for a favicon.
st.set_page_config(page_title="Recollect", page_icon="🧠", layout="wide", initial_sidebar_state="expanded")
st.logo(theme.LOGO, size="large")


def runs() -> None:
    """``/runs`` written out: the library is the default page and so has the short address only."""
    st.switch_page("pages/runs.py", query_params=st.query_params.to_dict())


navigation = st.navigation(
    {
        "Runs": [
            st.Page("pages/runs.py", title="Runs", icon=":material/folder_open:", url_path="home", default=True),
            st.Page(runs, url_path="runs", visibility="hidden"),
            st.Page("pages/new_run.py", title="New run", icon=":material/add_circle:"),
            st.Page("pages/batches.py", title="Batches", icon=":material/stacks:"),
            st.Page("pages/monitor.py", title="Monitor", icon=":material/monitor_heart:"),
        ],
        "One run": [
            st.Page("pages/overview.py", title="Overview", icon=":material/insights:"),
            st.Page("pages/days.py", title="Days", icon=":material/calendar_month:"),
            st.Page("pages/memory.py", title="Memory", icon=":material/neurology:"),
            st.Page("pages/trades.py", title="Trades", icon=":material/candlestick_chart:"),
            st.Page("pages/robustness.py", title="Robustness", icon=":material/balance:"),
            st.Page("pages/thread.py", title="Thread", icon=":material/timeline:"),
            st.Page("pages/report.py", title="Report", icon=":material/description:"),
        ],
        "Across runs": [
            st.Page("pages/compare.py", title="Compare", icon=":material/compare_arrows:"),
            st.Page("pages/leaderboard.py", title="Leaderboard", icon=":material/leaderboard:"),
            st.Page("pages/data.py", title="Data", icon=":material/database:", url_path="data"),
            st.Page("pages/models.py", title="Models", icon=":material/smart_toy:", url_path="models"),
            st.Page("pages/prompts.py", title="Prompts", icon=":material/edit_note:", url_path="prompts"),
        ],
    },
    expanded=True,  # else all beyond a dozen pages hide behind a click
)
page.frame()

with st.sidebar:
    draw.red_up_switch()

# Two places, made in this order: the footer stays below the page and shows even when the page stops half way.
body, footer = st.container(), st.container()
footer.caption("Recollect · Research and education, not investment advice.")
with body:
    navigation.run()
