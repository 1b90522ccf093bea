from himalia.serving.main import main

raise SystemExit(main())
