"""Words of the synthetic catalogue: twelve themes of five topics, titles that say which is which.

The topics of a theme are in the order in which its followers go through them.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Theme:
    """A theme of users' tastes: its genre (shared with others), topics, openings of titles."""

    name: str
    genre: str
    openings: tuple[str, ...]
    topics: tuple[tuple[str, ...], ...]


def _theme(name: str, genre: str, openings: str, *topics: str) -> Theme:
    return Theme(name, genre, _names(openings), tuple(_names(topic) for topic in topics))


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


THEMES = (
    _theme(
        "space opera",
        "Fiction",
        "Galactic, Beyond Orion:, The Last, Nebula of, Starlight and",
        "Orbital Station, Space Dock, Asteroid Habitat, Moon Base, Docking Ring",
        "Starship Pirates, Cargo Smugglers, Comet Raiders, Rogue Captain, Hijacked Freighter",
        "Alien Contact, Extraterrestrial Signal, Martian Envoy, Alien Ruins, Visitors from Vega",
        "War Fleet, Laser Armada, Battlecruiser Siege, Star Marines, Planetary Invasion",
        "Colony Exile, Terraforming Settlers, Generation Ship, Frozen Colonists, New Planet",
    ),
    _theme(
        "detective stories",
        "Fiction",
        "Inspector Hale and the, The Silent, A Case of, Midnight, Who Saw the",
        "Manor House Murder, Poisoned Butler, Locked Library, Drawing Room Corpse, Heiress Killing",
        "Private Eye, Missing Person, Shadowed Husband, Blackmail Letter, Rain-Soaked Alley",
        "Fingerprint, Forensic Laboratory, Autopsy Report, Ballistics Trace, Bloodstain Evidence",
        "Courtroom Trial, Hostile Witness, Jury Verdict, Defence Attorney, Perjured Testimony",
        "Diamond Heist, Bank Vault Robbery, Museum Theft, Getaway Driver, Stolen Painting",
    ),
    _theme(
        "dragons and magic",
        "Fiction",
        "Chronicle of the, Oath of the, The Enchanted, Song of the, Ashes of the",
        "Wizard Apprentice, Spellbook, School of Sorcery, Young Mage, Wand Maker",
        "Elven Forest, Fairy Glade, Dryad Grove, Unicorn Meadow, Moonlit Elves",
        "Dwarven Mine, Goblin Tunnels, Troll Bridge, Runestone Cavern, Underground Forge",
        "Dragon Rider, Dragon Egg, Wyvern Nest, Fire-Breathing Drake, Dragon Slayer",
        "Throne of Kings, Knightly Quest, Cursed Crown, Castle Siege, Enchanted Sword",
    ),
    _theme(
        "baking",
        "Food",
        "Grandmother's, The Patient, Golden, Warm, A Kitchen Full of",
        "Sourdough Bread, Rye Loaf, Baguette Crust, Focaccia, Overnight Dough",
        "Layer Cake, Chocolate Sponge, Birthday Gateau, Carrot Cake, Victoria Sponge",
        "Croissant Pastry, Puff Pastry Tart, Almond Danish, Cream Eclair, Strudel",
        "Ginger Biscuits, Oatmeal Cookies, Shortbread, Macarons, Chocolate Chip Cookies",
        "Apple Pie, Lemon Meringue Tart, Cherry Cobbler, Pumpkin Pie, Rhubarb Crumble",
    ),
    _theme(
        "street food",
        "Food",
        "Spicy, Night Market, Ten-Minute, Roadside, Lessons in",
        "Ramen Noodles, Pho Broth, Udon Bowl, Dan Dan Noodles, Laksa Soup",
        "Pork Dumplings, Steamed Buns, Gyoza, Momo, Wontons",
        "Chicken Tacos, Burrito, Quesadilla, Fish Taco, Carnitas Tortilla",
        "Vegetable Curry, Masala Dosa, Samosa, Chickpea Chaat, Tandoori Skewers",
        "Falafel Wrap, Shawarma, Lamb Kebab, Hummus Plate, Stuffed Pita",
    ),
    _theme(
        "coffee and tea",
        "Food",
        "The Art of, Morning, Notes on, Quiet, A Cup of",
        "Espresso, Coffee Roasting, Ristretto, Barista Milk Foam, Moka Pot Coffee",
        "Filter Coffee, Pour-Over, Aeropress, Cold Brew, French Press",
        "Green Tea, Matcha Whisk, Sencha Leaves, Jasmine Tea, Japanese Tea Ceremony",
        "Black Tea, Darjeeling, Earl Grey, Masala Chai, Assam Teapot",
        "Herbal Infusion, Chamomile, Peppermint Tisane, Rooibos, Hibiscus Tea",
    ),
    _theme(
        "alpine climbing",
        "Outdoors",
        "High Above the, Winter on the, Rope and, First Light on the, Alone on the",
        "Rock Climbing Wall, Granite Crack, Limestone Crag, Boulder Problem, Chalk and Holds",
        "Ice Climbing, Frozen Waterfall, Ice Axe, Crampon Route, Couloir",
        "Glacier Crossing, Crevasse, Moraine Camp, Serac Field, Icefall",
        "Summit Ridge, Eiger North Face, Eight-Thousander, Matterhorn Summit, Everest Peak",
        "Rappel Descent, Avalanche Rescue, Mountain Storm Retreat, Bivouac, Frostbite",
    ),
    _theme(
        "sailing",
        "Outdoors",
        "Windward:, The Open, Salt and, Logbook of a, Under Sail:",
        "Harbour, Mooring Knots, Marina Dock, Dinghy Lesson, Anchor",
        "Coastal Cruise, Island Hopping, Lighthouse Passage, Tidal Estuary, Archipelago Yacht",
        "Regatta, Catamaran Race, Spinnaker, Yacht Cup, Racing Buoy",
        "Ocean Crossing, Atlantic Solo Voyage, Trade Winds, Cape Horn, Round-the-World Sail",
        "Gale at Sea, Shipwreck, Life Raft, Torn Mainsail, Heavy Weather",
    ),
    _theme(
        "jazz",
        "Music",
        "Blue, Late Night, Live:, After Hours, The Smoky",
        "Swing Big Band, Ballroom Swing, Brass Section, Lindy Hop, Swing Orchestra",
        "Bebop Saxophone, Fast Trumpet, Hard Bop Quintet, Bebop Changes, Alto Sax Solo",
        "Piano Trio, Jazz Ballad, Upright Bass, Brushes and Keys, Torch Song",
        "Bossa Nova, Samba Guitar, Latin Jazz, Rio Rhythm, Conga Groove",
        "Free Jazz, Fusion Keyboard, Avant-Garde Improvisation, Electric Jazz, Modal Sketch",
    ),
    _theme(
        "classical orchestra",
        "Music",
        "Concert Hall:, The Complete, In D Minor:, Evening of, Masterworks:",
        "Harpsichord Fugue, Baroque Concerto, Organ Prelude, Cello Suite, Oratorio",
        "String Quartet, Chamber Serenade, Clarinet Quintet, Violin Sonata, Divertimento",
        "Grand Symphony, Symphony Finale, Philharmonic Overture, Conductor, Romantic Symphony",
        "Opera Aria, Soprano Duet, Choir of the Opera, Tragic Libretto, Tenor Recital",
        "Ballet Suite, Nutcracker Waltz, Swan Ballet, Prima Ballerina, Dance of Strings",
    ),
    _theme(
        "gardening",
        "Home",
        "The Small, A Year of, Green Thumb:, Growing, My Backyard",
        "Compost Heap, Garden Soil, Mulch and Worms, Raised Bed, Potting Mix",
        "Tomato Seedlings, Greenhouse, Seed Tray, Pepper Plants, Bean Sprouts",
        "Rose Garden, Tulip Border, Peony Flowerbed, Lavender Hedge, Wildflower Patch",
        "Apple Orchard, Pruning Fruit Trees, Grapevine, Berry Bushes, Espalier Pears",
        "Pumpkin Harvest, Root Vegetables, Autumn Leaves, Garden Cellar, Winter Greenhouse Kale",
    ),
    _theme(
        "woodworking",
        "Home",
        "The Honest, By Hand:, Workshop:, Building a, Simple",
        "Lumber Rack, Oak Planks, Sawmill, Drying Timber, Walnut Boards",
        "Hand Plane, Chisel Sharpening, Tenon Saw, Marking Gauge, Wooden Mallet",
        "Dovetail Joint, Mortise and Tenon, Box Joint, Wood Glue Clamps, Dowel Joinery",
        "Rocking Chair, Oak Table, Bookshelf, Carpenter's Workbench, Wooden Cabinet",
        "Wood Carving, Lathe Bowl, Varnish Finish, Shellac Polish, Whittled Spoon",
    ),
)
