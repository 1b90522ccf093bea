from himalia.runner.main import main

raise SystemExit(main())
