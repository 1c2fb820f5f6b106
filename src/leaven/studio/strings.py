"""Texts of the studio in English and Chinese: one dictionary, English text -> Chinese text.

Names of operators and their fields, and messages of errors, are those of the library and are not translated.
"""

from __future__ import annotations

from collections.abc import Mapping

LANGUAGES = ("en", "zh")
CHINESE: Mapping[str, str] = {
    "Data": "数据",
    "Gallery": "算子画廊",
    "Plan": "方案",
    "Runs": "运行",
    "Run": "运行结果",
    "Problem": "出错了",
    "Pages": "页面",
    "Skip to content": "跳到正文",
    "Save as one HTML file": "另存为单个 HTML 文件",
    "expected": "应为",
    "got": "实际为",
    "working …": "处理中……",
    "Open data": "打开数据",
    "Open": "打开",
    "Files in the opened folders": "已打开文件夹中的文件",
    "A log, and a table of its items if there is one.": "一份日志；如有商品表，请一并选择。",
    "Or drop files here, or choose them": "或将文件拖到这里，或点击选择",
    "Meaning of the column": "列的含义",
    "More columns that are not shown:": "未显示的其他列：",
    "Apply": "应用",
    "Reading and cleaning …": "正在读取和清洗……",
    "A sample": "抽样",
    "every n-th user of this large log was read, n =": "日志较大，仅每 n 个用户读取一个，n =",
    "Health": "数据概况",
    "Events over time": "事件随时间的变化",
    "Events of a history": "每个序列的事件数",
    "Popularity of items": "商品流行度",
    "Hours of the day (UTC)": "一天中的小时（UTC）",
    "First events of items over time": "商品首次出现的进度",
    "statistic": "统计量",
    "as read": "读取时",
    "cleaned": "清洗后",
    "Cleaning": "清洗",
    "rule": "规则",
    "touches": "命中",
    "drops": "删除",
    "such as": "例如",
    "examples": "示例",
    "Nothing found:": "未发现问题：",
    "Change the rules": "修改规则",
    "Split": "划分",
    "user": "用户",
    "item": "商品",
    "time": "时间",
    "kind": "行为类型",
    "quantity": "数量",
    "price": "价格",
    "value": "评分",
    "order": "订单",
    "text": "文本",
    "country": "国家",
    "category": "类目",
    "brand": "品牌",
    "image": "图片",
    "born": "上架时间",
    "attributes": "属性",
    "label": "标签",
    "Kind of rows": "样本类型",
    "sequence": "行为序列",
    "tabular": "特征表",
    "Operators": "算子",
    "generator": "生成器",
    "strength": "强度",
    "seed": "随机种子",
    "Reseed": "换一个种子",
    "other rows": "换一批样本",
    "from": "从",
    "to": "到",
    "on": "开",
    "off": "关",
    "Train and show": "训练并展示",
    "A generator is trained first, on a sample; this may take a minute.": "生成器需先在样本上训练，可能需要一分钟。",
    "rows changed": "行发生变化",
    "from a sample of the users": "来自部分用户",
    "unchanged": "未变化",
    "before": "之前",
    "after": "之后",
    "nearest real image": "最近的真实图片",
    "Open data first.": "请先打开数据。",
}


def translate(text: str, language: str) -> str:
    """The text in a language; English where no translation exists.

    >>> translate("Data", "zh"), translate("Data", "en")
    ('数据', 'Data')
    """
    return CHINESE.get(text, text) if language == "zh" else text


def choose_language(cookie: str, accepted: str) -> str:
    """The language of a page: the chosen one, else the first that the browser accepts.

    >>> choose_language("", "zh-CN,zh;q=0.9,en;q=0.8"), choose_language("en", "zh")
    ('zh', 'en')
    """
    if cookie in LANGUAGES:
        return cookie
    return "zh" if accepted.lower().startswith("zh") else "en"
