from himalia.cli import main

raise SystemExit(main())
