"""The scenes of the demo data set as data: which photograph moves how over which other photograph.

The units are those of `demo_parts`.
"""

from pytracking.evaluation.demo_parts import (
    Background,
    Camera,
    Cutout,
    Light,
    Scene,
    Sprite,
    curve,
    ellipse,
    rectangle,
    still,
)

# fmt: off
CAT = Cutout("chelsea.png", (
    (115, 14), (170, 5), (230, 3), (290, 5), (325, 20), (344, 46), (353, 80), (358, 120), (352, 160), (337, 193),
    (321, 224), (309, 254), (284, 272), (255, 279), (215, 275), (170, 262), (130, 240), (97, 202), (77, 152),
    (73, 100), (86, 50)))
PORTRAIT = Cutout("astronaut.png", (
    (228, 18), (257, 25), (279, 43), (294, 68), (297, 88), (291, 110), (280, 126), (270, 133), (263, 139), (260, 152),
    (255, 165), (251, 178), (236, 185), (215, 185), (198, 180), (188, 173), (186, 158), (183, 143), (181, 131),
    (174, 124), (168, 115), (159, 104), (156, 90), (156, 72), (163, 54), (179, 42), (193, 32), (208, 23)))
SHUTTLE = Cutout("astronaut.png", (
    (409, 1), (419, 1), (427, 12), (433, 27), (436, 45), (440, 43), (444, 43), (448, 54), (453, 66), (453, 206),
    (454, 223), (454, 232), (453, 242), (457, 260), (436, 262), (437, 240), (428, 240), (424, 262), (399, 264),
    (390, 247), (371, 266), (368, 264), (378, 236), (370, 228), (356, 225), (357, 214), (379, 189), (379, 108),
    (381, 72), (382, 60), (387, 44), (392, 55), (396, 58), (397, 36), (401, 16)), smooth=False)
ROCKET = Cutout("rocket.jpg", (
    (322.5, 127), (327, 132), (331, 140), (333, 150), (333, 172), (331, 178), (334, 181), (334, 189), (333.5, 200),
    (333.5, 204), (310, 204), (310, 200), (310, 189), (310, 181), (313, 178), (311.5, 172), (311.5, 150), (313.5, 140),
    (317.5, 132)), smooth=False)
COFFEE = Cutout("coffee.png", (
    (285, 20), (340, 28), (380, 52), (403, 84), (413, 104), (432, 119), (456, 150), (472, 190), (476, 230), (468, 274),
    (445, 319), (404, 355), (350, 378), (290, 385), (230, 379), (172, 358), (127, 323), (97, 284), (81, 240), (79, 200),
    (90, 166), (112, 130), (142, 99), (172, 80), (181, 70), (203, 46), (240, 27)))
HEADLIGHT = Cutout("motorcycle_left.png", (
    (540, 122), (552, 126), (560, 135), (561, 150), (559, 165), (553, 178), (545, 187), (535, 189), (524, 186),
    (516, 178), (511, 165), (506, 152), (508, 142), (515, 131), (525, 124)))
CAMERAMAN = Cutout("camera.png", (
    (212, 65), (234, 77), (252, 93), (264, 110), (266, 122), (257, 134), (253, 145), (252, 157), (247, 168), (243, 180),
    (240, 192), (239, 206), (239, 222), (243, 246), (235, 272), (208, 291), (185, 314), (150, 325), (100, 325),
    (62, 315), (38, 297), (33, 260), (37, 212), (48, 190), (62, 163), (82, 144), (106, 131), (131, 126), (145, 115),
    (157, 109), (166, 99), (174, 85), (191, 70)))
# fmt: on
PATCH = ellipse("astronaut.png", 171, 387, 36.5, 36)
GILT = (1.05, 0.98, 0.80)
COIN = ellipse("coins.png", 102, 196, 20.5, 20, GILT)
OTHER_COINS = tuple(
    ellipse("coins.png", cx, cy, r, r, GILT)
    for cx, cy, r in ((213, 193.5, 22.5), (153.5, 197.5, 18.5), (245, 264, 23.5), (301, 264, 23), (113.5, 266, 20.5))
)
WALL = rectangle("brick.png", 170, 40, 130, 400, (1.15, 0.80, 0.62))
POST = rectangle("brick.png", 300, 40, 40, 400, (1.15, 0.80, 0.62))
COIN_LOOPS = (  # center x, y, amplitude x, y, phase
    (-85, -30, 70, 60, 0.0),
    (60, -70, 55, 45, 0.3),
    (-20, 75, 80, 40, 0.55),
    (90, 45, 50, 60, 0.8),
    (0, 0, 95, 70, 0.15),
)
COIN_CROWD = tuple(
    Sprite(
        cutout,
        x=still(x, waves=[(dx, 150 + 17 * i, phase)]),
        y=still(y, waves=[(dy, 130 + 23 * i, phase + 0.2)]),
        size=still(44 + 3 * i),
        angle=curve((0, 40 * i), (239, 40 * i + 90)),
    )
    for i, (cutout, (x, y, dx, dy, phase)) in enumerate(zip(OTHER_COINS, COIN_LOOPS, strict=True))
)

# The portrait turns, narrows and darkens, and looks as at first again just when two others are near.
TURNED = 150.0  # degrees
WALK_X = ((58, 260, 0.0), (22, 97, 0.2))
WALK_Y = ((34, 190, 0.1), (12, 71, 0.4))
NOD = ((5, 83, 0.0),)


SCENES: tuple[Scene, ...] = (
    Scene(
        "cat_grass",
        220,
        (400, 300),
        ("translation", "scale"),
        Background("grass.png", 1.25, (0.80, 1.02, 0.55)),
        Sprite(
            CAT,
            x=curve((0, -140), (60, 30), (130, 160), (219, -30), waves=[(6, 47, 0.1)]),
            y=curve((0, 50), (80, -50), (150, 45), (219, -20), waves=[(4, 31, 0.6)]),
            size=curve((0, 62), (80, 118), (160, 52), (219, 84)),
            angle=still(0, waves=[(9, 120, 0)]),
        ),
        camera=Camera(
            x=curve((0, -60), (70, 20), (140, 90), (219, 0), waves=[(5, 53, 0)]),
            y=still(0, waves=[(8, 90, 0.3)]),
        ),
        seed=1,
    ),
    Scene(
        "rocket_stars",
        220,
        (360, 360),
        ("rotation", "translation"),
        Background("hubble_deep_field.jpg", 0.8),
        Sprite(
            ROCKET,
            x=curve((0, -90), (60, -20), (110, 80), (165, 60), (219, -60)),
            y=curve((0, 60), (70, -70), (130, 30), (180, 80), (219, -30)),
            size=curve((0, 108), (110, 92), (219, 116)),
            angle=curve((0, 12), (60, 50), (120, -55), (175, -130), (219, -40), waves=[(3, 40, 0)]),
            side_light=still(0.15, waves=[(0.15, 150, 0)]),
            gain=still(1.2),
        ),
        camera=Camera(
            x=curve((0, -30), (219, 40)),
            y=still(0, waves=[(10, 130, 0)]),
            roll=still(0, waves=[(4, 170, 0)]),
        ),
        seed=2,
    ),
    Scene(
        "patch_rush",
        220,
        (400, 300),
        ("fast motion", "blur", "rotation"),
        Background("motorcycle_left.png", 0.8),
        Sprite(
            PATCH,
            x=still(0, waves=[(112, 91, 0.05), (14, 31, 0.4)]),
            y=still(0, waves=[(62, 61, 0.2), (12, 37, 0)]),
            size=still(62, waves=[(10, 80, 0)]),
            angle=curve((0, 0), (110, 200), (219, 60)),
        ),
        camera=Camera(
            x=still(10, waves=[(20, 75, 0), (5, 19, 0.3)]),
            y=still(20, waves=[(12, 57, 0.5), (4, 17, 0.1)]),
            defocus=curve((90, 0), (115, 2.2), (140, 0)),
            shutter=0.8,
            exposures=9,
        ),
        seed=3,
    ),
    Scene(
        "shuttle_dusk",
        220,
        (400, 300),
        ("light", "translation", "scale"),
        Background("rocket.jpg", 0.95, (1.2, 1.2, 1.2)),
        Sprite(
            SHUTTLE,
            x=curve((0, -120), (80, -20), (150, 110), (219, 40), waves=[(5, 41, 0)]),
            y=curve((0, 30), (90, -40), (170, 30), (219, -10)),
            size=curve((0, 96), (100, 126), (219, 104)),
            angle=curve((0, 0), (70, 16), (150, -14), (219, 4)),
            side_light=curve((60, 0), (100, 0.5), (150, -0.5), (190, 0)),
        ),
        camera=Camera(x=curve((0, -40), (219, 40)), y=still(20)),
        light=Light(
            exposure=curve((30, 1), (75, 0.28), (110, 0.28), (116, 1.5), (135, 1.5), (150, 0.6), (219, 1)),
            warmth=curve((40, 0), (90, -0.35), (110, -0.35), (130, 0.45), (170, 0.3), (219, 0)),
            slope=curve((100, 0), (125, 0.4), (170, -0.5), (210, 0)),
        ),
        seed=4,
    ),
    Scene(
        "coin_crowd",
        240,
        (400, 300),
        ("distractors", "occlusion", "rotation"),
        Background("gravel.png", 0.9, (0.75, 0.68, 0.60)),
        Sprite(
            COIN,
            x=curve((0, -120), (55, -20), (110, 110), (170, -20), (239, -120), waves=[(8, 37, 0)]),
            y=curve((0, -80), (55, 30), (120, 50), (180, -60), (239, 20), waves=[(6, 43, 0.4)]),
            size=still(48, waves=[(3, 110, 0)]),
            angle=still(0, waves=[(35, 160, 0)]),
        ),
        behind=COIN_CROWD[1:],
        in_front=COIN_CROWD[:1],
        camera=Camera(x=still(0, waves=[(14, 140, 0)]), y=still(0, waves=[(9, 111, 0.5)])),
        seed=5,
    ),
    Scene(
        "cameraman_walls",
        240,
        (480, 270),
        ("occlusion", "translation"),
        Background("grass.png", 1.5, (0.70, 0.85, 0.55)),
        Sprite(
            CAMERAMAN,
            x=curve((0, -285), (60, -140), (110, 0), (150, 182), (168, 200), (205, 78), waves=[(2, 33, 0)]),
            y=still(5, waves=[(4, 36, 0), (10, 150, 0.2)]),
            size=curve((0, 88), (120, 96), (239, 90)),
            angle=still(0, waves=[(4, 72, 0)]),
            gain=still(1.35),
        ),
        in_front=(
            Sprite(WALL, x=still(-140), y=still(10), size=still(420)),
            Sprite(POST, x=still(0), y=still(0), size=still(420)),
            Sprite(WALL, x=still(200), y=still(-10), size=still(400)),
        ),
        camera=Camera(
            x=curve((0, -140), (60, -70), (150, 110), (239, 70), waves=[(3, 45, 0)]),
            y=still(0, waves=[(3, 51, 0)]),
        ),
        seed=6,
    ),
    Scene(
        "headlight_pan",
        220,
        (480, 360),
        ("camera motion", "scale", "out of view", "blur"),
        Background("motorcycle_left.png"),
        Sprite(HEADLIGHT, pinned=True),
        camera=Camera(
            x=curve(
                (0, 95),
                (60, 150),
                (95, 165),
                (135, -75),
                (148, -75),
                (185, 150),
                (219, 80),
                waves=[(4, 38, 0), (1.5, 11, 0)],
            ),
            y=curve((0, -45), (60, -80), (110, -70), (170, -70), (219, -35), waves=[(3, 31, 0.2), (1.5, 9, 0.5)]),
            zoom=curve((0, 0.95), (70, 1.7), (130, 1.35), (219, 0.95)),
            roll=still(0, waves=[(4, 85, 0)]),
            defocus=curve((60, 0), (80, 2.0), (95, 0), (190, 0), (205, 1.6), (219, 0)),
            shutter=0.5,
            exposures=5,
        ),
        seed=7,
    ),
    Scene(
        "coffee_twins",
        220,
        (400, 300),
        ("distractors", "occlusion"),
        Background("ihc.png", 0.95),
        Sprite(
            COFFEE,
            x=curve((0, -110), (70, -10), (140, 110), (219, -60), waves=[(5, 45, 0)]),
            y=curve((0, -30), (70, 30), (140, -20), (219, 20), waves=[(5, 61, 0)]),
            size=curve((0, 84), (110, 96), (219, 80)),
            angle=still(0, waves=[(10, 140, 0)]),
        ),
        behind=(
            Sprite(
                COFFEE,
                x=curve((0, 130), (70, 40), (140, -80), (219, -130)),
                y=curve((0, -60), (70, -50), (140, 50), (219, 60)),
                size=still(86),
                angle=still(14),
                gain=still(0.78),
                warmth=still(-0.2),
            ),
        ),
        in_front=(
            Sprite(
                COFFEE,
                x=curve((0, 60), (90, 110), (140, 60), (170, 40), (219, 120)),
                y=curve((0, 90), (90, 80), (140, 60), (170, 40), (219, -70)),
                size=still(80),
                angle=curve((0, -10), (219, -25)),
                gain=still(0.85),
            ),
        ),
        camera=Camera(
            x=still(0, waves=[(12, 160, 0)]),
            y=still(0, waves=[(8, 120, 0.3)]),
            zoom=still(1, waves=[(0.05, 130, 0)]),
        ),
        seed=8,
    ),
    # One of the others looks as the target did until then, the other is bright and a face: the memory of the start
    # decides.
    Scene(
        "portrait_return",
        1600,
        (320, 240),
        ("return", "rotation", "light", "distractors"),
        Background("brick.png", 0.8, (0.95, 0.75, 0.62)),
        Sprite(
            PORTRAIT,
            x=still(0, waves=WALK_X),
            y=still(0, waves=WALK_Y),
            size=still(74, waves=[(8, 310, 0)]),
            angle=curve((140, 0), (640, TURNED), (1380, TURNED), (1386, 0), waves=NOD),
            squeeze=curve((140, 1), (640, 0.72), (1380, 0.72), (1386, 1)),
            gain=curve((140, 1), (600, 0.5), (1380, 0.5), (1386, 1)),
            warmth=curve((140, 0), (600, -0.4), (1380, -0.4), (1386, 0)),
            side_light=curve((140, 0), (600, 0.35), (1380, 0.35), (1386, 0)),
        ),
        behind=(
            Sprite(
                PORTRAIT,
                x=curve((1310, -320), (1368, -84), (1384, -74), (1425, -84), (1490, -320), waves=WALK_X),
                y=curve((1310, 30), (1384, 8), (1490, 60), waves=WALK_Y),
                size=still(70),
                angle=still(TURNED + 8, waves=NOD),
                squeeze=still(0.72),
                gain=still(0.47),
                warmth=still(-0.4),
                side_light=still(0.35),
            ),
            Sprite(
                CAT,
                x=curve((1352, 330), (1390, 82), (1450, 88), (1520, 330), waves=WALK_X),
                y=curve((1352, 0), (1520, 20), waves=WALK_Y),
                size=still(66),
                angle=still(0, waves=NOD),
            ),
        ),
        camera=Camera(x=still(0, waves=[(40, 700, 0), (6, 61, 0)]), y=still(0, waves=[(25, 430, 0), (4, 47, 0)])),
        seed=9,
    ),
)
