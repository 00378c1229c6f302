"""MediaPipe's face detector and its FaceMesh with attention, for mouths.py and clips.py (requirements-mouths.txt)."""
import logging
import os
import pathlib
import sys
import warnings

import numpy


def solutions():
    os.environ.setdefault("GLOG_minloglevel", "3")
    logging.disable(logging.WARNING)
    warnings.filterwarnings("ignore", module="google.protobuf")
    try:
        import mediapipe
    except ImportError as error:
        sys.exit(f"{pathlib.Path(sys.argv[0]).name}: MediaPipe is missing ({error}): "
                 "`pip install --no-deps -r examples/train/requirements-mouths.txt`")
    return mediapipe.solutions


def meshes(frames):
    """Landmarks of every frame, [478, 2] pixels, or None where no face is found."""
    with solutions().face_mesh.FaceMesh(max_num_faces=1, refine_landmarks=True) as finder:
        for frame in frames:
            faces = finder.process(numpy.ascontiguousarray(frame)).multi_face_landmarks
            size = (frame.shape[1], frame.shape[0])
            yield numpy.array([(p.x * size[0], p.y * size[1]) for p in faces[0].landmark]) if faces else None


def boxes(frames):
    """Boxes of the faces of every frame, [faces, 4]: centre, width and height over those of the frame, largest first. They
    are as high as the mesh. Faces a tenth as high as a picture are found, which FaceMesh by itself does not."""
    with solutions().face_detection.FaceDetection(model_selection=1) as finder:
        for frame in frames:
            found = [d.location_data.relative_bounding_box for d in finder.process(frame).detections or []]
            found.sort(key=lambda b: -b.height)
            yield numpy.array([(b.xmin + b.width / 2, b.ymin + b.height / 2, b.width, b.height) for b in found]).reshape(-1, 4)
