from realtime_model.face import FaceLandmarker
from realtime_model.portrait import frame_portrait
from stream_server.inference.drawn_face import draw_face


def test_the_drawn_face_is_a_portrait_any_model_accepts() -> None:
    framed = frame_portrait(draw_face(), FaceLandmarker())
    assert framed.image.shape == (256, 256, 3)
