/** A main-area tab of ours. Small on purpose: React and everything heavy are loaded when it is first shown. */
import { ReactWidget } from '@jupyterlab/ui-components';
import { Suspense, lazy, type JSX } from 'react';
import { labIcon } from '../components/icons';
import { t } from '../i18n';
import type { Frame, Tab } from '../frame';
import type { PanelArguments, PanelDefinition, PanelRegistry } from '../panels/registry';

export interface Opener {
  panels: PanelRegistry;
  open: Frame['open'];
}

/** The host with its shared services; one chunk for all panels. */
const Host = lazy(async () => {
  const [host, frame] = await Promise.all([import('../panels/host'), import('../frame')]);
  return {
    default: (props: { opener: Opener; tab: Tab; definition: PanelDefinition }) => (
      <host.default
        frame={frame.sharedFrame(props.opener.panels, props.opener.open)}
        tab={props.tab}
        definition={props.definition}
      />
    )
  };
});

export class PanelWidget extends ReactWidget {
  constructor(
    readonly definition: PanelDefinition,
    private current: PanelArguments,
    private readonly opener: Opener,
    private readonly changed: () => void
  ) {
    super();
    this.addClass('hm');
    this.addClass('hm-Tab');
    this.title.label = t(definition.title);
    this.title.caption = this.title.label;
    this.title.icon = labIcon(definition.icon);
    this.title.closable = true;
  }

  /** What the workspace stores to open this tab again. */
  get args(): PanelArguments {
    return this.current;
  }

  /** Looks at the same object in another way: `view.` arguments of an opening that found this tab open. */
  look(args: PanelArguments): void {
    const views = Object.entries(args).filter(([name]) => name.startsWith('view.'));
    if (views.length) {
      this.current = { ...this.current, ...Object.fromEntries(views) };
      this.changed();
      this.update();
    }
  }

  protected override render(): JSX.Element {
    const tab: Tab = {
      args: this.current,
      setTitle: title => {
        this.title.label = title;
        this.title.caption = `${t(this.definition.title)}: ${title}`;
      },
      setView: changes => {
        this.current = { ...this.current, ...changes };
        this.changed();
        this.update();
      },
      // The main area widget around this one is what the shell knows.
      close: () => (this.parent ?? this).close()
    };
    return (
      <Suspense fallback={<div className="hm-wait" role="status" aria-label={t('list.loading')} />}>
        <Host opener={this.opener} tab={tab} definition={this.definition} />
      </Suspense>
    );
  }
}
