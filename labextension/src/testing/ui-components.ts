/** Stands in for JupyterLab's own component library, which only a bundler can load. */
export class LabIcon {
  constructor(readonly options: { name: string; svgstr: string }) {}
}

export class ReactWidget {
  readonly isWidget = true;
}
