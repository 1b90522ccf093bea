/** The widget in JupyterLab's left bar; its content is loaded when Lab is idle or it is first shown. */
import { ReactWidget } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import { Suspense, lazy, type JSX } from 'react';
import { labIcon } from '../components/icons';
import { t } from '../i18n';
import type { Opener } from './widget';

const loadSide = async () => {
  const [host, frame, side] = await Promise.all([
    import('../panels/host'),
    import('../frame'),
    import('../panels/side')
  ]);
  return {
    default: (props: { opener: Opener; searchAsked: number }) => (
      <host.Surroundings frame={frame.sharedFrame(props.opener.panels, props.opener.open)}>
        <side.SidePanel searchAsked={props.searchAsked} />
      </host.Surroundings>
    )
  };
};

const Side = lazy(loadSide);

/** Fetches the panel's code when the browser has nothing else to do, so that the first click finds it there. */
export function fetchSideWhenIdle(): void {
  const fetchIt = () => void loadSide().catch(() => undefined); // a click tries again and shows what is wrong
  if ('requestIdleCallback' in window) {
    window.requestIdleCallback(fetchIt, { timeout: 5000 });
  } else {
    globalThis.setTimeout(fetchIt, 1000);
  }
}

export class SideWidget extends ReactWidget {
  private shown = false;
  private searchAsked = 0;

  constructor(private readonly opener: Opener) {
    super();
    this.id = 'himalia-side';
    this.addClass('hm');
    this.addClass('hm-SideWidget');
    this.title.icon = labIcon('mountain');
    this.title.caption = t('side.title');
  }

  /** Puts the focus into the search field. */
  search(): void {
    this.searchAsked += 1;
    this.update();
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this.shown = true;
    this.update();
  }

  protected override render(): JSX.Element {
    if (!this.shown && !this.isVisible) {
      return <></>;
    }
    return (
      <Suspense fallback={<div className="hm-wait" role="status" aria-label={t('list.loading')} />}>
        <Side opener={this.opener} searchAsked={this.searchAsked} />
      </Suspense>
    );
  }
}
