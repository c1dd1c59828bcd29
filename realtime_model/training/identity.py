"""Who is it? Distances between face embeddings; offline only: a face takes most of a second."""

import importlib
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime_model.contract import RgbImage
from realtime_model.errors import ModelError

_MISSING = "identity needs the extra 'evaluate': pip install 'emolive[evaluate]'"


class FaceEmbedder:
    """dlib's face ResNet; under 0.6 means the same person.

    Raises:
        ModelError: the extra that holds it is not installed.
    """

    def __init__(self) -> None:
        try:
            dlib: Any = importlib.import_module("dlib")
        except ImportError as exc:
            raise ModelError(_MISSING) from exc
        # Found, not imported: the package's own module needs pkg_resources, which is gone.
        spec = importlib.util.find_spec("face_recognition_models")
        if spec is None or spec.origin is None:
            raise ModelError(_MISSING)
        models = Path(spec.origin).parent / "models"
        self._detect = dlib.get_frontal_face_detector()
        self._shape = dlib.shape_predictor(str(models / "shape_predictor_5_face_landmarks.dat"))
        self._embed = dlib.face_recognition_model_v1(
            str(models / "dlib_face_recognition_resnet_model_v1.dat")
        )
        self._dlib = dlib

    def embed(self, image: RgbImage) -> NDArray[np.float64]:
        """Return (128,). Where no face is detected the middle of the frame is taken for it."""
        image = np.ascontiguousarray(image)
        found = self._detect(image, 1)
        size = image.shape[0]
        box = (
            found[0]
            if found
            else self._dlib.rectangle(size // 4, size // 4, 3 * size // 4, 3 * size // 4)
        )
        return np.array(self._embed.compute_face_descriptor(image, self._shape(image, box)))

    def distances(self, portrait: RgbImage, frames: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Distance of each frame to the portrait."""
        own = self.embed(portrait)
        return np.array([np.linalg.norm(self.embed(f) - own) for f in frames])
