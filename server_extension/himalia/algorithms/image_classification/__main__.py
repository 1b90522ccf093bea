from himalia.algorithms.image_classification.train import main

raise SystemExit(main())
