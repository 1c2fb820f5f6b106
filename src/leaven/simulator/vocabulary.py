"""Vocabulary and defaults of each kind of simulated world, in English and in Chinese."""

from __future__ import annotations

from dataclasses import dataclass

Pair = tuple[str, str]
"""A word in English and in Chinese."""


@dataclass(frozen=True)
class Category:
    """One category: its name, the names of its items, and its typical price (0: none)."""

    name: str
    things: tuple[Pair, ...]
    price: float = 0.0


@dataclass(frozen=True)
class Flavor:
    """The defaults of a kind of world.

    kinds       kinds of events and their shares
    repeat      probability that an event repeats one of the last items
    mean_events events of an average user
    gap_days    days between the sessions of an average user
    describe    template of the description in both languages
    """

    categories: tuple[Category, ...]
    kinds: tuple[tuple[str, float], ...]
    repeat: float
    mean_events: float
    gap_days: float
    describe: Pair


COLORS: tuple[tuple[str, str, tuple[int, int, int]], ...] = (
    ("red", "红色", (205, 50, 45)),
    ("blue", "蓝色", (45, 95, 190)),
    ("green", "绿色", (50, 145, 75)),
    ("yellow", "黄色", (235, 195, 45)),
    ("black", "黑色", (40, 40, 45)),
    ("white", "白色", (225, 225, 220)),
    ("purple", "紫色", (125, 65, 160)),
    ("orange", "橙色", (235, 130, 40)),
    ("pink", "粉色", (235, 140, 170)),
    ("brown", "棕色", (120, 80, 50)),
)
MATERIALS: tuple[Pair, ...] = (
    ("cotton", "棉质"),
    ("wooden", "木制"),
    ("steel", "不锈钢"),
    ("glass", "玻璃"),
    ("leather", "皮革"),
    ("bamboo", "竹制"),
    ("ceramic", "陶瓷"),
    ("linen", "亚麻"),
    ("wool", "羊毛"),
    ("silicone", "硅胶"),
)
ADJECTIVES: tuple[Pair, ...] = (
    ("soft", "柔软"),
    ("light", "轻便"),
    ("classic", "经典"),
    ("modern", "现代"),
    ("compact", "小巧"),
    ("sturdy", "结实"),
    ("elegant", "优雅"),
    ("simple", "简约"),
    ("bright", "明亮"),
    ("quiet", "安静"),
    ("warm", "温暖"),
    ("fresh", "清新"),
)
BRANDS: tuple[str, ...] = (
    "Alpen",
    "Borealis",
    "Cobalt",
    "Dune",
    "Ember",
    "Fjord",
    "Grove",
    "Harbour",
    "Isle",
    "Juniper",
    "Kestrel",
    "Lumen",
    "Meadow",
    "Nimbus",
    "Orchard",
    "Pebble",
)

_SHOP = (
    Category("shirts", (("shirt", "衬衫"), ("blouse", "女衫"), ("T-shirt", "T恤")), 25.0),
    Category("trousers", (("jeans", "牛仔裤"), ("trousers", "长裤"), ("shorts", "短裤")), 45.0),
    Category("shoes", (("boots", "靴子"), ("sneakers", "运动鞋"), ("sandals", "凉鞋")), 70.0),
    Category("hats", (("hat", "帽子"), ("cap", "鸭舌帽"), ("scarf", "围巾")), 18.0),
    Category("phones", (("phone", "手机"), ("smartphone", "智能手机")), 400.0),
    Category("phone accessories", (("phone case", "手机壳"), ("charger", "充电器"), ("cable", "数据线")), 14.0),
    Category("cameras", (("camera", "相机"), ("lens", "镜头")), 320.0),
    Category("headphones", (("headphones", "耳机"), ("earbuds", "耳塞")), 80.0),
    Category("kitchen", (("pan", "平底锅"), ("knife", "菜刀"), ("kettle", "水壶")), 35.0),
    Category("tableware", (("bowl", "碗"), ("plate", "盘子"), ("cup", "杯子")), 12.0),
    Category("bedding", (("pillow", "枕头"), ("blanket", "毯子"), ("duvet", "被子")), 40.0),
    Category("lamps", (("lamp", "台灯"), ("lantern", "灯笼")), 38.0),
    Category("toys", (("puzzle", "拼图"), ("doll", "娃娃"), ("blocks", "积木")), 20.0),
    Category("books", (("novel", "小说"), ("cookbook", "菜谱"), ("atlas", "地图集")), 16.0),
    Category("garden", (("watering can", "洒水壶"), ("flower pot", "花盆"), ("spade", "铲子")), 22.0),
    Category("skin care", (("face cream", "面霜"), ("soap", "香皂"), ("lotion", "乳液")), 15.0),
)
_VIDEO = tuple(
    Category(name, ((thing, chinese),))
    for name, thing, chinese in (
        ("comedy", "comedy", "喜剧片"),
        ("drama", "drama", "剧情片"),
        ("crime", "crime story", "犯罪片"),
        ("science fiction", "space film", "科幻片"),
        ("romance", "love story", "爱情片"),
        ("horror", "horror film", "恐怖片"),
        ("animation", "cartoon", "动画片"),
        ("nature", "nature film", "自然纪录片"),
        ("history", "history film", "历史片"),
        ("sport", "sport film", "体育片"),
        ("music", "concert film", "音乐片"),
        ("travel", "travel film", "旅行片"),
    )
)
_MUSIC = tuple(
    Category(name, ((thing, chinese),))
    for name, thing, chinese in (
        ("rock", "rock song", "摇滚曲"),
        ("pop", "pop song", "流行曲"),
        ("jazz", "jazz tune", "爵士乐"),
        ("folk", "folk song", "民谣"),
        ("classical", "sonata", "奏鸣曲"),
        ("electronic", "electronic track", "电子乐"),
        ("rap", "rap track", "说唱"),
        ("blues", "blues", "蓝调"),
        ("country", "country song", "乡村歌曲"),
        ("film music", "theme", "电影配乐"),
    )
)
_SOCIAL = tuple(
    Category(name, ((thing, chinese),))
    for name, thing, chinese in (
        ("food", "recipe post", "美食帖"),
        ("pets", "pet photo", "宠物照片"),
        ("travel", "travel diary", "旅行日记"),
        ("sport", "match report", "赛事报道"),
        ("fashion", "outfit post", "穿搭帖"),
        ("science", "science note", "科普文"),
        ("jokes", "joke", "笑话"),
        ("music", "song cover", "翻唱"),
        ("games", "game clip", "游戏片段"),
        ("news", "news item", "新闻"),
        ("crafts", "craft guide", "手工教程"),
        ("gardens", "garden photo", "花园照片"),
    )
)

FLAVORS: dict[str, Flavor] = {
    "shop": Flavor(
        _SHOP,
        (("view", 0.7), ("cart", 0.12), ("purchase", 0.18)),
        0.04,
        16.0,
        14.0,
        (
            "{article} {adjective} {thing} by {brand}, {material} and {color}, from our {category} range.",
            "{brand}出品的{adjective}{thing}，{material}，{color}。",
        ),
    ),
    "video": Flavor(
        _VIDEO,
        (("watch", 0.85), ("like", 0.15)),
        0.02,
        30.0,
        5.0,
        (
            "{article} {adjective} {thing} from the {brand} studio, in {color} tones.",
            "{brand}工作室的{adjective}{thing}，{color}基调。",
        ),
    ),
    "music": Flavor(
        _MUSIC,
        (("play", 0.9), ("like", 0.1)),
        0.45,
        60.0,
        2.0,
        (
            "{article} {adjective} {thing} on the {brand} label, {color} cover.",
            "{brand}厂牌的{adjective}{thing}，{color}封面。",
        ),
    ),
    "social": Flavor(
        _SOCIAL,
        (("view", 0.8), ("like", 0.15), ("share", 0.05)),
        0.0,
        40.0,
        1.0,
        (
            "{article} {adjective} {thing} shared in the {brand} group, {color} theme.",
            "{brand}小组分享的{adjective}{thing}，{color}主题。",
        ),
    ),
}
"""kind of world -> its vocabulary and defaults"""
