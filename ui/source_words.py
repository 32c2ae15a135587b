"""What the sources of market data are, where their names do not say it: the same words on every page."""

SOURCE_WORDS = {
    "demo": "demo · a synthetic market with a planted signal, offline",
    "folder": "folder · prices, news and filings as Parquet or CSV on this machine",
    "yahoo": "yahoo · real prices, dividends, splits and recent news, no key",
    "edgar": "edgar · 10-K and 10-Q with their figures, from the SEC, no key",
    "upload": "upload · a dataset you imported or kept",
    "finmem": "finmem · an env_data.pkl of FinMem",
    "finsaber": "finsaber · FINSABER's Parquet folder",
    "alpaca_news": "alpaca_news · news since 2015, with your key",
    "finnhub_news": "finnhub_news · news of the last year, with your key",
}
