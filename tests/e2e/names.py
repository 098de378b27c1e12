"""Names that no file may have: a thousand of them."""

from __future__ import annotations

# Names that lead out of a folder, and names that pass a file off as another kind of file.
WAYS_OUT = (
    *("../", "..\\", "/", "\\", "./", "~/", "//host/share/", "\\\\host\\share\\", "C:\\", "C:"),
    *("file:///", "....//", "..;/", "a/../../", "%2e%2e%2f", "%2e%2e/", "..%2f", "..%5c"),
    *("%252e%252e%252f", "..%c0%af", "..%u2215", "..%ef%bc%8f", "\uff0e\uff0e\uff0f", "..\u2215"),
    *("..\uff3c", "%25252e%25252e%25252f"),
)
PLACES = ("etc/passwd", "x.png", "incoming/a.part", "web.config", ".htaccess", "a", "proc/environ")
KINDS = (
    *("php", "phtml", "html", "svg", "js", "exe", "sh"),
    *("asp", "jsp", "py", "bat", "lnk", "hta", "jar"),
)
DISGUISES = (
    *("x.{}\0.png", "x.{}%00.png", "x.{}%2500.png", "x.{}.", "x.{} ", "x.{}\t", "x.{}\r\n"),
    *("x.{}::$DATA", "x.{}:a.png", "x.\u202egnp.{}", "x.png\u200b.{}", "x.png%e2%80%ae.{}"),
    *("\ufeffx.{}", "x.{}\u2028", "x.{}/.", "x.{}/x.png", "x.{}%0a"),
    *("CON.{}", "LPT1.{}", "com¹.{}", "NUL .{}", "CON%2e{}"),
)
NAMES = [
    *(way * depth + place for way in WAYS_OUT for depth in (1, 2, 8) for place in PLACES),
    *(disguise.format(kind) for disguise in DISGUISES for kind in KINDS),
    *(way + f"{number}.png" for way in WAYS_OUT[:20] for number in range(8)),
]
