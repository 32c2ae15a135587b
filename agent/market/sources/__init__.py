"""Where market data comes from, one file per source."""

from agent.market.sources.base import Source
from agent.registry import Registry

SOURCES: Registry[Source] = Registry(
    "source",
    {
        "demo": "agent.market.sources.demo:DemoSource",
        "folder": "agent.market.sources.folder:FolderSource",
        "upload": "agent.market.sources.upload:UploadSource",
        "yahoo": "agent.market.sources.yahoo:YahooSource",
        "edgar": "agent.market.sources.edgar:EdgarSource",
        "finmem": "agent.market.sources.finmem:FinMemSource",
        "finsaber": "agent.market.sources.finsaber:FinsaberSource",
        "alpaca_news": "agent.market.sources.alpaca_news:AlpacaNewsSource",
        "finnhub_news": "agent.market.sources.finnhub_news:FinnhubNewsSource",
    },
)
