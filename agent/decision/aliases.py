"""Words that give a company away: further names, products and brands, people, places. Written from general knowledge, as data.

Nothing depends on the list being whole: a person adds what is missing under ``masking.aliases``. The first name of a row is the one
that a masked text gets back on screen. What follows from the given name of a company is derived, not listed.
"""

from __future__ import annotations

import re
from typing import NamedTuple


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


class Known(NamedTuple):
    """What is known of one company."""

    names: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    places: tuple[str, ...] = ()


# ticker | names | products, brands, subsidiaries | people | places. Products that begin with the company's name need no entry.
_TABLE = """
AAPL | Apple, Apple Computer | iPhone, iPad, iPod, iMac, MacBook, Mac, Macs, iOS, iPadOS, macOS, watchOS, tvOS, visionOS, AirPods, AirPod, AirTag, HomePod, iTunes, iCloud, App Store, Vision Pro, Siri, FaceTime, iMessage, CarPlay, AppleCare, WWDC, WatchOS, FileMaker | Tim Cook, Timothy Cook, Timothy D. Cook, Steve Jobs, Luca Maestri, Kevan Parekh, Craig Federighi, Eddy Cue, Jony Ive, Steve Wozniak, Jeff Williams, John Giannandrea, John Ternus, Phil Schiller, Sabih Khan | Cupertino
MSFT | Microsoft | Azure, Windows, Office 365, Xbox, LinkedIn, GitHub, Copilot, Bing, SharePoint, OneDrive, Activision Blizzard, Activision, Minecraft, HoloLens, Dynamics 365, Visual Studio, Power BI, Nuance, MSN, Skype, Bethesda | Satya Nadella, Bill Gates, Amy Hood, Brad Smith, Steve Ballmer, Mustafa Suleyman, Paul Allen, Kevin Scott | Redmond
AMZN | Amazon, Amazon.com | AWS, Alexa, Kindle, Prime Video, Prime Day, Whole Foods, Twitch, Zoox, Kuiper, Project Kuiper, Trainium, Bedrock, Audible, Fire TV, Zappos, One Medical, aboutamazon, Graviton, Echo Dot, IMDb, Ring doorbell, Rufus | Jeff Bezos, Andy Jassy, Andrew Jassy, Andrew R. Jassy, Brian Olsavsky, Matt Garman, Adam Selipsky, Jeffrey P. Bezos, Doug Herrington |
GOOGL | Alphabet, Google | YouTube, Gmail, Android, Gemini, Waymo, DeepMind, Chromebook, Pixel phone, Fitbit, Nest, Bard, Wiz | Sundar Pichai, Larry Page, Sergey Brin, Ruth Porat, Anat Ashkenazi, Eric Schmidt | Mountain View
META | Meta Platforms, Meta, Facebook | Instagram, WhatsApp, Oculus, Messenger, Llama, Reality Labs, Ray-Ban Meta | Mark Zuckerberg, Sheryl Sandberg, Susan Li, Javier Olivan | Menlo Park
NVDA | Nvidia | GeForce, CUDA, Blackwell, Hopper, H100, H200, GB200, DGX, Mellanox | Jensen Huang, Colette Kress | Santa Clara
TSLA | Tesla | Model 3, Model Y, Model S, Model X, Cybertruck, Powerwall, Megapack, Supercharger, Autopilot, Cybercab, Optimus robot, SolarCity | Elon Musk, Musk, Vaibhav Taneja, Zachary Kirkhorn |
AVGO | Broadcom | VMware, Avago, Symantec | Hock Tan |
BRK.B | Berkshire Hathaway, Berkshire | Geico, BNSF, Dairy Queen, See's Candies | Warren Buffett, Buffett, Charlie Munger, Greg Abel, Ajit Jain | Omaha
JPM | JPMorgan Chase, JPMorgan, JPMorganChase, J.P. Morgan Chase, J.P. Morgan, JP Morgan, J P Morgan, Chase | First Republic, Sapphire Reserve, Bear Stearns, Frank fintech, Bank One | Jamie Dimon, James Dimon, Dimon, Jeremy Barnum, Marianne Lake, Daniel Pinto, Jennifer Piepszak, Mary Erdoes, Troy Rohrbaugh, David Kelly, Bruce Kasman, Marko Kolanovic |
V | Visa | VisaNet, Plaid, Tink | Ryan McInerney, Al Kelly, Alfred Kelly, Chris Suh | Foster City
MA | Mastercard, MasterCard | Maestro, Vocalink | Michael Miebach, Ajay Banga, Sachin Mehra | 
UNH | UnitedHealth Group, UnitedHealth, United Health Group, United Health | Optum, OptumHealth, OptumRx, OptumInsight, UnitedHealthcare, United Healthcare, Change Healthcare, Amedisys, AARP, LHC Group, Optum Health, Optum Rx, Optum Insight, OptumCare | Andrew Witty, Brian Thompson, Stephen Hemsley, Steve Hemsley, Stephen J. Hemsley, John Rex, David Wichmann, Luigi Mangione, Tim Noel, Wayne DeVeydt | Minnetonka, Eden Prairie
JNJ | Johnson & Johnson, J&J, Johnson and Johnson Services | Johnson's Baby, Johnson's, Janssen, DePuy, Ethicon, Kenvue, Tylenol, Band-Aid, Darzalex, Stelara, Tremfya, Imbruvica, Xarelto, Erleada, Carvykti, Invega, Simponi, Remicade, Zytiga, Uptravi, Opsumit, Rybrevant, Lazcluze, Spravato, Tecvayli, Talvey, Abiomed, Shockwave, Intra-Cellular Therapies, Intra-Cellular, Caplyta, Acuvue, Neutrogena, Listerine, Ottava, Red River, Risperdal, Edurant, Prezista, Inlexzo, Akeega, Opsynvi, Rydapt, Actelion, Biosense Webster, Cerenovus, Simponi Aria, icotrokinra, nipocalimab, Imaavy, TAR-200, Proxima, LTL Management, Pilgrim, Momentis, Mentor, Synthes, Concerta, Haldol, Velcade, Procrit, Sivextro, Balversa, Ponvory, Symtuza, Intelence | Joaquin Duato, Alex Gorsky, Joseph Wolk, Joseph J. Wolk, Joe Wolk, Jennifer Taubert, Tim Schmid | New Brunswick
WMT | Walmart, Wal-Mart | Sam's Club, Flipkart, Jet.com, Vizio | Doug McMillon, Sam Walton, John David Rainey, John Furner | Bentonville
PG | Procter & Gamble, P&G | Tide, Pampers, Gillette, Head & Shoulders, Crest, Febreze, Ariel, Pantene, Olay, Bounty, Charmin, Old Spice, Oral-B, Vicks, Swiffer | Jon Moeller, David Taylor, Andre Schulten, Shailesh Jejurikar | Cincinnati
HD | Home Depot | HD Supply, SRS Distribution, Interline Brands | Ted Decker, Craig Menear, Bernie Marcus, Arthur Blank, Richard McPhail | 
CVX | Chevron | Texaco, Caltex, Hess, Noble Energy, Unocal | Mike Wirth, Michael Wirth, Eimear Bonner | San Ramon
XOM | Exxon Mobil, ExxonMobil, Exxon, Mobil | Esso, Pioneer Natural Resources, XTO, Denbury | Darren Woods, Rex Tillerson, Kathy Mikells, Kathryn Mikells | Irving, Texas
KO | Coca-Cola, Coke | Sprite, Fanta, Dasani, Minute Maid, Powerade, Costa Coffee, Vitaminwater, Fairlife, Topo Chico, Schweppes | James Quincey, John Murphy, Muhtar Kent, Henrique Braun |
PEP | PepsiCo, Pepsi, Pepsi-Cola | Frito-Lay, Lay's, Doritos, Gatorade, Mountain Dew, Tropicana, Quaker Oats, Cheetos, Tostitos, SodaStream, Quaker Foods, Poppi | Ramon Laguarta, Indra Nooyi, Jamie Caulfield |
MRK | Merck | Keytruda, Gardasil, Januvia, Winrevair, Prometheus Biosciences, Bridion, Lagevrio, Organon, Verona Pharma | Rob Davis, Robert Davis, Ken Frazier, Caroline Litchfield | Rahway
ABBV | AbbVie | Humira, Skyrizi, Rinvoq, Botox, Allergan, Venclexta, Cerevel | Richard Gonzalez, Robert Michael | North Chicago
LLY | Eli Lilly, Lilly | Mounjaro, Zepbound, Trulicity, Verzenio, tirzepatide, Jardiance, orforglipron, retatrutide, Kisunla | David Ricks, Dave Ricks | Indianapolis
PFE | Pfizer | Comirnaty, Paxlovid, Prevnar, Eliquis, Viagra, Seagen, Ibrance, Lipitor, Arena Pharmaceuticals | Albert Bourla, David Denton |
BMY | Bristol-Myers Squibb, Bristol Myers, Bristol Myers Squibb | Opdivo, Revlimid, Yervoy, Celgene, Cobenfy, Karuna | Christopher Boerner, Chris Boerner, Giovanni Caforio |
AMGN | Amgen | Enbrel, Prolia, Repatha, Otezla, Horizon Therapeutics, MariTide, Tezspire, Xgeva, Neulasta, Tepezza, Evenity | Bob Bradway, Robert Bradway, Peter Griffith | Thousand Oaks
GILD | Gilead, Gilead Sciences | Biktarvy, Remdesivir, Veklury, Truvada, Kite Pharma, Trodelvy, Yeztugo, lenacapavir | Daniel O'Day |
TMO | Thermo Fisher, Thermo Fisher Scientific | Fisher Scientific, Patheon, PPD, Olink | Marc Casper |
ABT | Abbott, Abbott Laboratories | FreeStyle Libre, Similac, Pedialyte, MitraClip | Robert Ford, Miles White |
DHR | Danaher | Cytiva, Beckman Coulter, Cepheid, Pall, Abcam, Leica Biosystems | Rainer Blair |
MDT | Medtronic | MiniMed, Hugo robot, Covidien | Geoff Martha |
ISRG | Intuitive Surgical | da Vinci, Ion endoluminal | Gary Guthart, Dave Rosa |
CVS | CVS Health, CVS | Aetna, Caremark, Oak Street Health, Signify Health | Karen Lynch, David Joyner |
CI | Cigna, Cigna Group | Evernorth, Express Scripts | David Cordani |
ELV | Elevance Health, Elevance, Anthem | Carelon | Gail Boudreaux |
HUM | Humana | CenterWell | Jim Rechtin, Bruce Broussard |
BAC | Bank of America, BofA, BoA | Merrill Lynch, Merrill | Brian Moynihan, Alastair Borthwick | Charlotte, North Carolina
WFC | Wells Fargo | Wachovia | Charlie Scharf, Charles Scharf, Mike Santomassimo |
C | Citigroup, Citi, Citibank | Banamex | Jane Fraser, Mark Mason |
GS | Goldman Sachs, Goldman | Marcus by, GreenSky | David Solomon, Lloyd Blankfein, Denis Coleman, John Waldron, Jan Hatzius, David Kostin, Peter Oppenheimer, Marc Nachmann |
MS | Morgan Stanley | E*Trade, Eaton Vance | Ted Pick, James Gorman, Mike Wilson, Sharon Yeshaya |
BLK | BlackRock | iShares, Aladdin, Global Infrastructure Partners, HPS Investment Partners, Preqin | Larry Fink |
SCHW | Charles Schwab, Schwab | TD Ameritrade, thinkorswim | Walt Bettinger, Rick Wurster |
AXP | American Express, AmEx, Amex | Centurion card, Platinum Card, Resy, Delta SkyMiles | Stephen Squeri, Steve Squeri, Kenneth Chenault, Christophe Le Caillec |
TRV | Travelers, Travelers Companies | Corvus Insurance, St. Paul Companies | Alan Schnitzer, Dan Frey |
SPGI | S&P Global | IHS Markit, Platts, CRISIL | Doug Peterson, Martina Cheung |
COF | Capital One | Discover Financial, Discover Card | Richard Fairbank |
PYPL | PayPal | Venmo, Braintree, Xoom, Honey | Alex Chriss, Dan Schulman |
XYZ | Block, Square | Cash App, Afterpay, Tidal | Jack Dorsey |
CB | Chubb | | Evan Greenberg |
PGR | Progressive | | Tricia Griffith |
DIS | Walt Disney, Disney | ESPN, Hulu, Pixar, Marvel, Lucasfilm, Star Wars, Disneyland, National Geographic, ABC News, Magic Kingdom, Epcot, Fubo, Moana, Zootopia | Bob Iger, Robert Iger, Bob Chapek, Hugh Johnston, Josh D'Amaro, Dana Walden | Burbank
NFLX | Netflix | Stranger Things, Squid Game, Bridgerton | Reed Hastings, Ted Sarandos, Greg Peters, Spence Neumann | Los Gatos
CMCSA | Comcast | NBCUniversal, Peacock, Xfinity, Sky Group, Universal Studios, Versant | Brian Roberts, Mike Cavanagh |
T | AT&T, AT and T, American Telephone and Telegraph | DirecTV, FirstNet, Cricket Wireless, WarnerMedia, Time Warner, Bell Labs, Cingular | John Stankey, Randall Stephenson, Pascal Desroches |
VZ | Verizon, Verizon Communications | Fios, TracFone, Frontier Communications, Straight Talk | Hans Vestberg, Dan Schulman, Tony Skiadas, Sowmyanarayan Sampath |
TMUS | T-Mobile, T-Mobile US, TMobile | Metro by, Mint Mobile, US Cellular | Mike Sievert, John Legere, Srini Gopalan |
WBD | Warner Bros. Discovery, Warner Bros | HBO, CNN, TNT Sports, Discovery+ | David Zaslav |
BA | Boeing | 737 MAX, 737-MAX, 737MAX, 737, 747, 757, 767, 777, 777X, 787, Dreamliner, Starliner, Spirit AeroSystems, Spirit Aero, KC-46, KC-46A, KC-46A Tanker, F-15EX, F-15, F/A-18, F-47, Apache helicopter, Chinook, P-8, P-8A, V-22, T-7A, T-7, MQ-25, SLS rocket, Space Launch System, Jeppesen, Wisk, Air Force One, VC-25B, Millennium Space, Aurora Flight, Insitu, McDonnell Douglas, MAX 7, MAX 10, MAX 8, MAX 9, 777-9 | Kelly Ortberg, Robert Ortberg, Robert K. Ortberg, Dave Calhoun, David Calhoun, Brian West, Jay Malave, Stephanie Pope, Dennis Muilenburg, Steve Mollenkopf, Ted Colbert, Stan Deal, Brendan Nelson, Mike Delaney | Renton, Everett, Charleston, Arlington, Virginia
CAT | Caterpillar, Cat | Solar Turbines, Perkins, Progress Rail, MaK, FG Wilson, Electro-Motive Diesel, Cat Financial, Caterpillar Financial, Bucyrus, Cat Digital, RPMGlobal, Cat Lift | Jim Umpleby, James Umpleby, D. James Umpleby, D. James Umpleby III, Joe Creed, Joseph Creed, Joseph E. Creed, Andrew Bonfield, Denise Johnson, Anthony Fassino, Tony Fassino | Peoria, Deerfield, Irving, Texas
HON | Honeywell | Solstice Advanced Materials, Quantinuum, Resideo, Garrett Motion | Vimal Kapur, Darius Adamczyk, Mike Stepniak |
MMM | 3M, Minnesota Mining, Minnesota Mining and Manufacturing | Post-it, Scotch tape, Scotch-Brite, Solventum, Command Strips, Scotchgard, Nexcare, Combat Arms, Aearo, Filtrete, Thinsulate | Bill Brown, William Brown, Mike Roman, Michael Roman, Anurag Maheshwari, Monish Patolawala, Inge Thulin | St. Paul, Minnesota, Maplewood
GE | General Electric, GE Aerospace | LEAP engine, CFM International, GE Vernova, GE HealthCare, GE9X | Larry Culp, Jack Welch, Jeff Immelt, H. Lawrence Culp |
RTX | Raytheon, Raytheon Technologies, United Technologies | Pratt & Whitney, Collins Aerospace, Patriot missile | Chris Calio, Christopher Calio, Greg Hayes, Neil Mitchill |
LMT | Lockheed Martin, Lockheed | F-35, Sikorsky, Skunk Works, HIMARS, Black Hawk, F-16, F-22 | Jim Taiclet, James Taiclet, Evan Scott, Jay Malave | Bethesda
NOC | Northrop Grumman, Northrop | B-21 Raider, B-21, B-2, Sentinel ICBM, Global Hawk | Kathy Warden | Falls Church
GD | General Dynamics | Gulfstream, Electric Boat, Bath Iron Works, Abrams tank | Phebe Novakovic | Reston
DE | Deere, John Deere, Deere & Company | See & Spray | John May, Josh Jepsen | Moline
UPS | United Parcel Service, UPS | Coyote Logistics | Carol Tome, Brian Dykes |
FDX | FedEx, Federal Express | FedEx Freight | Raj Subramaniam, Fred Smith, John Dietrich | Memphis
UNP | Union Pacific | | Jim Vena | Omaha
DAL | Delta Air Lines, Delta Airlines, Delta Air | SkyMiles | Ed Bastian | Atlanta
F | Ford, Ford Motor | F-150, Mustang, Bronco, Lincoln Navigator, Maverick, BlueCruise, Mach-E | Jim Farley, James Farley, Bill Ford, Henry Ford, John Lawler, Sherry House | Dearborn
GM | General Motors | Chevrolet, Chevy, Cadillac, GMC, Buick, OnStar, Cruise robotaxi, Silverado, Ultium | Mary Barra, Paul Jacobson | Detroit
IBM | International Business Machines, IBM, Big Blue | Watson, watsonx, WatsonX, Red Hat, Kyndryl, HashiCorp, Apptio, StreamSets, webMethods, Qiskit, Ansible, OpenShift, Granite models, z17, z16, DataStax, Confluent, Think 2025, Lotus Notes, Condor, Heron processor, Starling, LinuxONE, Db2, Computing-Tabulating-Recording, C-T-R, Turbonomic, Instana, Telum | Arvind Krishna, Ginni Rometty, Virginia Rometty, James Kavanaugh, Jim Kavanaugh, Jim Whitehurst, Gary Cohn, Lou Gerstner, Thomas Watson, Rob Thomas, Dario Gil | Armonk
CRM | Salesforce, Salesforce.com | Slack, Tableau, MuleSoft, Agentforce, Dreamforce, Einstein, Sales Cloud, Service Cloud, Marketing Cloud, Commerce Cloud, Data Cloud, Informatica, Heroku, Convergence.ai, Spiff, Trailhead, Trailblazer, Customer 360, AppExchange, Hyperforce, Trailblazers, Vlocity, Evergage, Zoomin, Pardot, Quip | Marc Benioff, Bret Taylor, Amy Weaver, Robin Washington, Brian Millham, Parker Harris, Srini Tallapragada, David Schmaier, Sabastian Niles, Miguel Milano |
ORCL | Oracle | Cerner, NetSuite, Java, MySQL, PeopleSoft, OCI | Larry Ellison, Safra Catz, Clay Magouyrk, Mike Sicilia |
INTC | Intel | Xeon, Altera, Mobileye, Core Ultra, Gaudi, Panther Lake, 18A | Pat Gelsinger, Lip-Bu Tan, David Zinsner, Andy Grove |
AMD | Advanced Micro Devices | Ryzen, EPYC, Radeon, Instinct MI300, Xilinx, MI300, MI350 | Lisa Su, Jean Hu |
CSCO | Cisco, Cisco Systems | Webex, Splunk, Meraki, Duo Security | Chuck Robbins, Scott Herren, John Chambers, Mark Patterson |
QCOM | Qualcomm | Snapdragon, Alphawave | Cristiano Amon, Akash Palkhiwala |
TXN | Texas Instruments | | Haviv Ilan, Rich Templeton, Rafael Lizardi |
MU | Micron, Micron Technology | | Sanjay Mehrotra | Boise
ADBE | Adobe | Photoshop, Acrobat, Firefly, Creative Cloud, Figma | Shantanu Narayen, Dan Durn |
NOW | ServiceNow | Moveworks, Armis | Bill McDermott, Gina Mastantuono |
INTU | Intuit | TurboTax, QuickBooks, Mailchimp, Credit Karma | Sasan Goodarzi |
ACN | Accenture | | Julie Sweet |
PLTR | Palantir | Foundry, Gotham, AIP bootcamp | Alex Karp, Peter Thiel |
UBER | Uber | Uber Eats, Postmates | Dara Khosrowshahi |
ABNB | Airbnb | | Brian Chesky |
BKNG | Booking Holdings, Booking.com | Priceline, Kayak, Agoda, OpenTable | Glenn Fogel |
SNOW | Snowflake | | Sridhar Ramaswamy, Frank Slootman |
PANW | Palo Alto Networks | CyberArk, Cortex XSIAM, Prisma Cloud | Nikesh Arora |
CRWD | CrowdStrike | Falcon platform | George Kurtz |
NKE | Nike | Air Jordan, Air Max, Converse, Jordan Brand | Elliott Hill, John Donahoe, Phil Knight, Matthew Friend, Matt Friend | Beaverton
MCD | McDonald's, McDonalds, McD's, McD, McDonald | Big Mac, Happy Meal, McNuggets, McNugget, McFlurry, McMuffin, Quarter Pounder, Golden Arches, CosMc's, McRib, McCafe, Snack Wrap, Snack Wraps, McValue, McCrispy, Hamburglar, Grimace, McDelivery, MyMcDonald's, Ronald McDonald, Filet-O-Fish, Egg McMuffin | Chris Kempczinski, Christopher Kempczinski, Ian Borden, Ray Kroc, Joe Erlinger, Steve Easterbrook, Jill McDonald |
SBUX | Starbucks | Frappuccino, Teavana, Pumpkin Spice | Brian Niccol, Howard Schultz, Laxman Narasimhan, Cathy Smith |
CMG | Chipotle, Chipotle Mexican Grill | | Scott Boatwright |
YUM | Yum! Brands, Yum Brands, Yum | KFC, Taco Bell, Pizza Hut | David Gibbs, Chris Turner |
COST | Costco, Costco Wholesale | Kirkland Signature, Kirkland | Ron Vachris, Craig Jelinek, Gary Millerchip, Jim Sinegal | Issaquah
TGT | Target | Shipt, Good & Gather, Target Circle | Brian Cornell, Michael Fiddelke |
LOW | Lowe's, Lowes | Kobalt tools, Artisan Design Group, Foundation Building Materials | Marvin Ellison | Mooresville
TJX | TJX, TJX Companies | TJ Maxx, T.J. Maxx, Marshalls, HomeGoods | Ernie Herrman |
WBA | Walgreens Boots Alliance, Walgreens Boots, Walgreens | Boots UK, VillageMD, Duane Reade | Tim Wentworth, Rosalind Brewer, Stefano Pessina | Deerfield
DOW | Dow Inc, Dow Chemical | Styrofoam | Jim Fitterling | Midland, Michigan
SHW | Sherwin-Williams, Sherwin Williams | Valspar, Krylon, Minwax, Dutch Boy, Suvinil | Heidi Petz, John Morikis, Allen Mistysyn |
LIN | Linde | Praxair | Sanjiv Lamba |
PM | Philip Morris International, Philip Morris | Marlboro, IQOS, Zyn, Swedish Match | Jacek Olczak, Emmanuel Babeau |
MO | Altria | Marlboro, NJOY, Juul | Billy Gifford |
MDLZ | Mondelez | Oreo, Cadbury, Ritz, Toblerone | Dirk Van de Put |
KHC | Kraft Heinz | Heinz, Kraft, Oscar Mayer, Philadelphia Cream Cheese | Carlos Abrams-Rivera |
CL | Colgate-Palmolive, Colgate | Palmolive, Hill's Pet | Noel Wallace |
NEE | NextEra Energy, NextEra | Florida Power & Light | John Ketchum | Juno Beach
DUK | Duke Energy | | Lynn Good, Harry Sideris |
SO | Southern Company | Georgia Power, Plant Vogtle | Chris Womack |
COP | ConocoPhillips, Conoco | Marathon Oil | Ryan Lance |
SLB | Schlumberger | ChampionX | Olivier Le Peuch |
AMT | American Tower | | Steve Vondran |
PLD | Prologis | | Hamid Moghadam |
BX | Blackstone | | Steve Schwarzman, Stephen Schwarzman, Jon Gray |
KKR | Kohlberg Kravis Roberts | | Henry Kravis |
SPY | SPDR S&P 500 ETF, SPDR S&P 500 | |  |
"""
# A town and a state stand in one cell as two words of the list; the state alone gives nobody away.
_STATES = {"Texas", "Virginia", "New York", "Minnesota", "Michigan", "North Carolina"}
_SEVERAL_SHARES = {"GOOG": "GOOGL", "BRK.A": "BRK.B", "BRK-A": "BRK.B", "BRK-B": "BRK.B", "BRK/B": "BRK.B", "BRKB": "BRK.B"}


def _words(cell: str) -> tuple[str, ...]:
    return tuple(word for word in (part.strip() for part in cell.split(",")) if word and word not in _STATES)


def _read() -> dict[str, Known]:
    rows = (line.split("|") for line in _TABLE.strip().splitlines())
    return {row[0].strip(): Known(*map(_words, row[1:])) for row in rows}


TABLE = _read()

ORDINARY = _set("""abbott activision acrobat adobe aladdin alexa allergan alphabet amazon android ansible anthem apple ariel audible autopilot azure bard beats
    bedrock berkshire bing blackwell block booking boots boston bounty bronco buffett bard cat caterpillar centurion charleston chase chevron chinook
    cisco citizens coke command comcast concerta condor confluent converse copilot costs crest cruise crucial cue delta discover disney dow
    dreamliner echo einstein ensure everett falcon fanta firefly foundry ford gap gates gemini general goldman good gotham grimace hess honey hopper horizon
    intel intuit irving java jobs kayak kindle kraft krishna kroc lilly linde lincoln llama lucas mac macs maestro maplewood marathon mark marshalls
    marvel maverick mentor merck merrill messenger meta midland minecraft mobil model momentis musk mustang national nest nike notes novo nuance
    omaha optum optimus oracle outlook pall palmolive pampers parker pepsi perkins pilgrim pilgrims pioneer pixel platts poppi prime progressive
    proxima quarter quip quip renton reston resy ritz ring rufus sapphire schwab shell siri skype slack snowflake spiff sprite square starling
    startling target tableau teavana telum tesla tidal tide tink trailblazer trailblazers trailhead travelers twitch uber union universal
    united vanguard venmo vicks visa watson windows wiz word zoom zoox yum moline detroit memphis peoria deerfield charlotte cincinnati
    indianapolis atlanta burbank boise cupertino redmond first american corning cummins stanley marsh public service best progress realty
    simon kimberly church clorox campbell kellogg tyson monster constellation molson dominion edison exelon entergy evergy ball crown
    packaging international nucor steel vulcan martin match twitter block roku pinterest snap zillow carnival royal norwegian southwest
    alaska spirit frontier hertz avis key regions truist fifth huntington comerica people state northern ally synchrony equity host
    welltower ventas iron crown sun waste republic cintas rollins copart fair moody's nasdaq global cboe match paramount fox news
    live nation interpublic omnicom electronic take mcdonald mcd""")
"""Names that are words as well: they count as names only when written as names are, with a capital."""

UNCLEAR = _set("Target Block Square Progressive Chase Cat Travelers Dow Ford Discover Linde Citi Visa Berkshire")
"""Names that titles use as words too often to hide them where they are not the run's own company."""

COMMON_FIRST = ORDINARY | _set("""a advanced air allied alliance alpha applied associated atlantic automatic bank beta big blue bright burlington canadian capital center central
    charles city coastal cole colonial commerce commercial community consolidated core credit delta digital direct dollar eastern eastman
    electric energy enterprise environmental essex european expeditors extra family federal fidelity financial five floor fortune franklin free
    freeport gamma gold golden grand great green group hanover harbor hartford hawaiian health heritage high home host houston hunt icon
    independent industrial inner insight institutional integrated interactive inter jack james jefferson john johnson jones kansas king
    lake lamb land las legal liberty life lincoln live lone los marine market master medical mercury metro michael mid mineral modern
    molecular mountain mutual natural new noble nordic norfolk north northern oak ocean office old omega one open orange pacific palo park
    patterson penn performance peoples phillips pilot pinnacle planet plains pool power precision premier principal prudential pure
    quality quest rapid raymond red regal regional reliance research resource river robert rock rocky royal safe san science seaboard
    security select senior signature silver six sky smith solar sonic source south southern spectrum standard star sterling stone strategic
    summit superior synthetic systems technology texas thermo third thomas thor tractor trade trans tri true trust twin ultra under
    universal urban us valley value vertex victory village vista warner washington water wells west western white wild william willis
    wolf world xenon yellow young zebra zions toy red rapid""")
"""First words of company names that say nothing alone; a rarer one (Kestrel Biologics) is an alias of its own."""

COMMON_SURNAMES = _set("""cook jobs gates allen smith scott williams brown ford page roman taylor davis ford lynch white rex noel kelly mason fink pick gorman wilson
    roberts johnson peters hastings west pope calhoun deal nelson welch hayes may good hill knight friend burke turner gibbs smith taylor weaver
    washington harris chambers huang hood lake murphy kent frazier michael joyner garman woods woodward lance gray graham thomas gil walton
    furner blank marcus decker long schmidt li tan grove su hu amon sweet hudson brin cue ive khan park steele jones lee kim chen wang thompson
    watson coleman marcus solomon greenberg griffin griffith martha ricks ford ellison karp catz bettinger peterson culp warden vena abel
    jain cohn bradway ketchum cornell cordani mollenkopf robbins iger herren walden meyer black green moynihan fraser barnum rohrbaugh erdoes creed
    rainey dorsey bonfield colbert delaney milano patterson mcdonald""")
"""Family names too common to give anybody away when they stand alone."""

TICKER_WORDS = _set("""ALL AN AND ANY APP ARE ART AS AT ATR BE BEST BIG BILL BOOM BY CAN CAR CARE CASH CEO CFO CITY COIN COST CPI DAY DD DO DOW DRAM EA EAT ECB
    EDIT EMA EPS ERA ESG ETF EU EV EVER EYE FAST FED FIVE FLOW FOR FORM FOX FREE FUN FY GAP GDP GO GOOD GROW HAS HE HEAR HER HI HIS HOLD HOPE ICE ID IF
    IN INFO IPO IS IT ITEM JACK JOB JSON KEY KIDS KIND LAND LAW LEG LIFE LINE LIVE LOAN LOVE LOW MACD MAIN MAN MAR MARK MAT ME MEDS MEN
    MIND MOVE MY NET NEW NEWS NEXT NICE NO NOT NOTE NOW NYC OF OIL OK OLD ON ONE OPEN OR OUT PAY PC PE PEAK PER PLAN PLAY PLUS POST PRE PRO Q QQQ RATE
    REAL RIDE RING ROAD ROI ROCK RSI RUN SAFE SALE SAVE SEC SEE SHE SHIP SHOP SITE SKY SMA SO SON SPOT STAY STEM STEP SUN TALK TAP TAX TEAM TECH TELL
    TEN TEXT THE THEY TO TOP TRUE TV TWO UK UP US USA USD USE VS WANT WAY WE WELL WHO WILL WIN WIRE WISH WOOD WORK WOW XYZ YES YOU YOUR ZERO""")
"""Tickers that are words or usual abbreviations: counted only where a ticker stands, as in $ALL, (NYSE: ALL), ALL shares."""
LOWER_WORDS = _set("cat low now all key ice gap fox car man dal hon cost shop coin team snow crm meta uber aid ball")
"""Tickers of three letters and more that are words in small letters only."""

_SUFFIX = re.compile(
    r"(?:,?\s+(?:inc|incorporated|corp|corporation|co|cos|company|companies|ltd|limited|plc|llc|lp|l\.p|llp|n\.v|nv|s\.a|sa|ag|se|ab|asa|spa|s\.p\.a|oyj"
    r"|kgaa|gmbh|holdings?|group|trust|the|class [a-c]|common stock|ordinary shares|adr|ads|com|new|del|de)\.?|\s*[&/]\s*(?:co|company|de|ny|nv|the)\.?/?|\s*\((?:the|[a-z]{2,3})\))$",
    re.IGNORECASE,
)


def core_name(company: str) -> str:
    """A company's name without its legal form and the article: Apple Inc. -> Apple, THE BOEING CO -> Boeing."""
    name = re.sub(r"\s+", " ", company).strip(" ,.")
    name = re.sub(r"^the\s+(?=\S)", "", name, flags=re.IGNORECASE)
    while (shorter := _SUFFIX.sub("", name).strip(" ,.&/")) and shorter != name:
        name = shorter
    return name.title() if name.isupper() and len(name) > 4 else name


def names_of(ticker: str, company: str) -> tuple[str, ...]:
    """All names of a company, the one to show first: those of the table, the given one without its legal form, and what follows from it."""
    known, core = known_of(ticker).names, core_name(company)
    found = [*known]
    if core and len(core) > 1:
        found += [core, *_initials(core)]
        words = core.split()
        if not known and len(words) > 1 and words[0].lower() not in COMMON_FIRST and len(words[0]) > 3:
            found.append(words[0])
    found += [name.replace(" & ", " ") for name in found if " & " in name]
    return tuple(dict.fromkeys(found))


def _initials(core: str) -> list[str]:
    """J&J, P&G, IBM: the first letters of a name of two words around an ampersand or of three and more."""
    words = re.findall(r"[A-Za-z][\w'’.-]{2,}|&", core)
    letters = "".join(word[0].upper() for word in words if word.lower() not in {"of", "the", "and"})
    around = len(letters) == 3 and letters[1] == "&"
    return [letters] if around or (len(letters) > 2 and letters.isalpha()) else []


def known_of(ticker: str) -> Known:
    """What the table has on a ticker, empty where it has nothing."""
    return TABLE.get(_SEVERAL_SHARES.get(ticker, ticker), Known())


_TITLES = ("Mr.", "Mr", "Ms.", "Ms", "Mrs.", "Dr.", "CEO", "CFO", "Chairman")


def people_of(known: Known) -> dict[str, str]:
    """Every way a person is written -> the person's full name. A family name stands alone where it is rare, else after a title."""
    found: dict[str, str] = {}
    for person in known.people:
        found.setdefault(person, person)
        parts = person.split()
        if len(parts) < 2:
            continue
        surname = parts[-2] if parts[-1] in {"III", "Jr", "Jr."} else parts[-1]
        ways = [surname] if surname.lower() not in COMMON_SURNAMES and len(surname) > 3 else [f"{title} {surname}" for title in _TITLES]
        for way in ways:
            found.setdefault(way, person)
    return found


def shares_of(ticker: str) -> tuple[str, ...]:
    """All tickers of the company that the table has under ``ticker``."""
    return (ticker, *(other for other, main in _SEVERAL_SHARES.items() if main == ticker))
