'use strict';
// The start page: shows what the platform answers, asks again while something moves.
// The platform computes verdicts, quotas and money; this script only shows them.
(() => {
  const SVG = 'http://www.w3.org/2000/svg';
  const MOVING = new Set(['waiting', 'queued', 'starting', 'stopping']);
  const ENDED = new Set(['stopped', 'failed', 'succeeded', 'timed_out']);
  const STARTS = new Set(['starts_now', 'waits']);
  const STEPS = ['admitted', 'scheduled', 'image', 'mounts', 'server'];
  const GIB = 2 ** 30;
  const ICONS = {
    full: [['circle', { cx: 8, cy: 8, r: 5.5, fill: 'currentColor' }]],
    half: [['circle', { cx: 8, cy: 8, r: 5.5 }], ['path', { d: 'M8 2.5a5.5 5.5 0 0 1 0 11z', fill: 'currentColor' }]],
    ring: [['circle', { cx: 8, cy: 8, r: 5.5 }]],
    arc: [['path', { d: 'M8 2.25A5.75 5.75 0 1 1 2.25 8' }]],
    tick: [['path', { d: 'm3 8.5 3.25 3.25L13 5' }]],
    cross: [['path', { d: 'm4 4 8 8M12 4l-8 8' }]],
    play: [['path', { d: 'M5 3.25v9.5L12.5 8z' }]],
    stop: [['path', { d: 'M4.500 4.500h7v7h-7z' }]],
    bin: [['path', { d: 'M3 4.500h10M6.500 4.500V3h3v1.500M4.500 4.500l.5 8.500h6l.5-8.500' }]],
    open: [['path', { d: 'M9 3h4v4M13 3 7.500 8.500M11 9.500V13H3V5h3.500' }]]
  };

  const { given, texts, t, el, byId } = shared;
  const zh = given.language === 'zh';
  const locale = zh ? 'zh-CN' : 'en';
  const root = document.getElementById('page');
  let page = given.page;
  let chosen = null;
  let accelerator = null;
  let least = null; // bytes: any accelerator with at least so much memory, in place of a named one
  let nameTouched = false;
  let timer = 0;
  let choosing = null; // the notebook that another profile is chosen for
  const spawnProfile = profileFields.make(byId('spawn-profile'));
  const drawn = {};

  function shape(tag, attributes) {
    const node = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    return node;
  }

  function icon(name, extra = '') {
    const svg = shape('svg', { class: `i ${extra}`, viewBox: '0 0 16 16', 'aria-hidden': 'true' });
    svg.append(...ICONS[name].map(([tag, attributes]) => shape(tag, attributes)));
    return svg;
  }

  // Numbers as people read them.
  function money(micros, extraDigits = 0) {
    const { symbol, digits } = page.currency;
    const amount = micros / 1e6;
    const shown = amount.toLocaleString(locale, {
      minimumFractionDigits: digits,
      maximumFractionDigits: Math.max(digits, digits + extraDigits)
    });
    return shown.startsWith('-') ? `-${symbol}${shown.slice(1)}` : symbol + shown;
  }
  const number = (value, digits = 1) => value.toLocaleString(locale, { maximumFractionDigits: digits });
  const size = bytes =>
    bytes >= GIB ? `${number(bytes / GIB)} GiB` : `${number(bytes / 2 ** 20, 0)} MiB`;

  function uses(resources) {
    const parts = [t('start.cores', { n: number(resources.cpu_millis / 1000) }), size(resources.memory_bytes)];
    for (const [name, count] of Object.entries(resources.accelerators ?? {})) {
      if (count) parts.push(`${count} × ${name.split('/').pop()}`);
    }
    return parts.join(' · ');
  }

  const scale = name => (name.startsWith('cpu') ? 1000 : name.startsWith('memory') ? GIB : 1);
  const resourceTitle = name =>
    name.startsWith('cpu') ? t('start.cpu') : name.startsWith('memory') ? t('start.memory') : name.split('/').pop();

  function price(micros) {
    if (!micros) return el('span', { class: 'num pc' }, t('start.free'));
    return el('span', { class: 'num pc' }, money(micros, 2), el('span', { class: 'muted' }, t('start.per_hour')));
  }

  function verdictMark(verdict) {
    const [colour, mark] =
      verdict.verdict === 'starts_now' ? ['run', 'full'] : verdict.verdict === 'waits' ? ['wait', 'half'] : ['fail', 'ring'];
    return el('span', { class: `st ${colour}` }, icon(mark), t(`verdict.${verdict.verdict}`));
  }
  const sentence = verdict => (zh && verdict.sentence_zh) || verdict.sentence || '';
  const meter = (share, high) => {
    const svg = shape('svg', { class: 'meter', viewBox: '0 0 100 3', preserveAspectRatio: 'none', 'aria-hidden': 'true' });
    svg.append(
      shape('rect', { width: 100, height: 3 }),
      shape('rect', { class: high ? 'f hi' : 'f', width: Math.max(0, Math.min(100, share * 100)), height: 3 })
    );
    return svg;
  };

  // A section is drawn again only when what it shows has changed; focus stays where it was.
  function draw(name, value, target, make) {
    const key = JSON.stringify(value);
    if (drawn[name] === key) return;
    drawn[name] = key;
    const focused = document.activeElement?.id;
    const unfolded = new Set([...target.querySelectorAll('details[open]')].map(node => node.id));
    target.replaceChildren(...make());
    for (const id of unfolded) {
      const node = id && byId(id);
      if (node) node.open = true;
    }
    if (focused && focused !== document.activeElement?.id) byId(focused)?.focus({ preventScroll: true });
  }

  const profile = () => page.profiles.find(entry => entry.spec.id === chosen);

  function drawAll() {
    if (!profile()) {
      const startable = page.profiles.filter(entry => STARTS.has(entry.verdict.verdict));
      const last = startable.find(entry => entry.spec.id === page.last?.spec_id);
      chosen = (last ?? startable[0] ?? page.profiles[0])?.spec.id ?? null;
    }
    drawHead();
    draw('profiles', [page.profiles, chosen], byId('profiles'), profileRows);
    draw('left', [profile()?.verdict.levels, chosen], byId('left'), leftTable);
    drawForm();
    draw('notebooks', [page.notebooks, page.spawn_profiles, choosing], byId('notebooks'), () => page.notebooks.map(notebookCard));
  }

  function drawHead() {
    const { tenant, department } = page.identity;
    byId('where').textContent = [tenant?.name, department?.name].filter(Boolean).join(zh ? '，' : ', ');
    const running = page.notebooks.filter(item => item.phase === 'running').length;
    const starting = page.notebooks.filter(item => MOVING.has(item.phase) && item.phase !== 'stopping').length;
    byId('count').textContent = page.notebooks.length
      ? t(page.notebooks.length === 1 ? 'start.count_one' : 'start.count', { total: page.notebooks.length, running, starting })
      : t('start.none');
    draw('balance', page.balance, byId('balance'), () => {
      if (!page.balance) return [];
      return [
        el('span', { class: 'muted' }, t('nav.balance')),
        ` ${money(page.balance.available_micros)} `,
        el('span', { class: 'muted sm' }, lasts(page.balance))
      ];
    });
  }

  function lasts(balance) {
    if (!balance.lasts_until) return '';
    const hours = (Date.parse(balance.lasts_until) - Date.now()) / 36e5;
    if (!(hours > 0)) return '';
    return hours >= 48
      ? t('nav.lasts_days', { days: number(hours / 24, 0) })
      : t('nav.lasts_hours', { hours: number(hours, 0) });
  }

  function profileRows() {
    if (!page.profiles.length) return [el('p', { class: 'cause muted' }, t('start.no_profiles'))];
    return page.profiles.map(({ spec, verdict }) => {
      const fits = STARTS.has(verdict.verdict);
      const id = `spec-${spec.id}`;
      return el(
        'label',
        { class: `pr${spec.id === chosen ? ' on' : ''}${fits ? '' : ' off'}`, for: id, title: sentence(verdict) },
        el('input', {
          type: 'radio', name: 'spec', id, value: spec.id, checked: spec.id === chosen, disabled: !fits,
          on: { change: () => { chosen = spec.id; drawAll(); } }
        }),
        el('span', { class: 'nm ell' }, spec.name),
        el('span', { class: 'u ell' }, uses(spec.resources)),
        el('span', { class: 'vd' }, verdictMark(verdict), verdict.verdict === 'starts_now' ? null : el('span', { class: 'why' }, sentence(verdict))),
        price(verdict.price_per_hour_micros ?? spec.price_per_hour_micros)
      );
    });
  }

  function leftTable() {
    const levels = profile()?.verdict.levels ?? [];
    const names = [...new Set(levels.flatMap(level => level.resources.map(entry => entry.resource)))].slice(0, 4);
    if (!names.length) return [];
    const head = el('tr', {}, el('th', {}, t('start.left')), ...names.map(name => el('th', { class: 'num', scope: 'col' }, resourceTitle(name))));
    const rows = levels.map(level =>
      el('tr', {}, el('th', { scope: 'row' }, level.level === 'user' ? t('start.you') : level.name),
        ...names.map(name => el('td', {}, ...leftCell(level.resources.find(entry => entry.resource === name)))))
    );
    return [el('table', {}, el('thead', {}, head), el('tbody', {}, ...rows))];
  }

  function leftCell(entry) {
    if (!entry) return [''];
    if (entry.limit == null) return [el('span', { class: 'muted' }, t('start.no_limit'))];
    const unit = scale(entry.resource);
    const after = entry.after ?? entry.available ?? 0;
    const taken = entry.limit ? 1 - after / entry.limit : 1;
    return [
      number(after / unit), ' ',
      el('span', { class: 'muted' }, t('start.of', { limit: number(entry.limit / unit) })),
      meter(taken, taken > 0.9)
    ];
  }

  function drawForm() {
    const name = byId('name');
    if (!nameTouched && document.activeElement !== name) name.value = page.suggested_name ?? '';
    const select = byId('environment');
    draw('environments', page.environments, select, () =>
      page.environments.map(item =>
        el('option', { value: item.name, disabled: item.state !== 'ready' },
          item.state === 'ready' ? item.title : `${item.title} (${t('start.building')})`)));
    if (!select.dataset.set && page.environments.length) {
      const last = page.environments.find(item => item.state === 'ready' && item.title === environmentTitle(page.last?.environment));
      select.value = last?.name ?? page.default_environment ?? page.environments[0].name;
      select.dataset.set = '1';
    }
    drawAccelerators();
    spawnProfile.show(page.spawn_profiles, page.last?.profile);
    byId('spawn-profile-problem').textContent = page.spawn_profiles_problem;
    byId('spawn-profile-problem').hidden = !page.spawn_profiles_problem;
    const environment = page.environments.find(item => item.name === select.value);
    byId('environment-facts').textContent = environment
      ? t('start.python', {
          python: environment.python,
          count: Object.keys(environment.packages ?? {}).length,
          size: size(environment.size_bytes ?? 0)
        })
      : '';
    const entry = profile();
    draw('verdict', [entry?.verdict, chosen], byId('verdict'), () => {
      if (!entry) return [el('span', { class: 'muted' }, t('start.choose'))];
      const rate = entry.verdict.price_per_hour_micros ?? 0;
      const cost = el('span', { class: 'num' }, rate ? el('b', {}, money(rate, 2)) : t('start.free'));
      if (rate) {
        cost.append(el('span', { class: 'muted' },
          `${t('start.per_hour')} · ${t('start.held', { amount: money(entry.verdict.hold_micros ?? 0, 2) })}`));
      }
      return [verdictMark(entry.verdict), el('span', { class: 'grow' }), cost];
    });
    const button = byId('start');
    const judged = (page.accelerator ?? null) === accelerator && (page.least_bytes ?? null) === least;
    button.disabled = busy || !judged || !entry || !STARTS.has(entry.verdict.verdict) || !page.environments.length;
    button.replaceChildren(icon('play'), busy ? t('start.starting') : t('start.go', { name: name.value }));
  }

  // Cards are added to a profile; the platform then judges every profile with them.
  const cards = spec =>
    Object.entries(spec.resources.accelerators).map(([name, count]) => `${count} × ${spec.accelerator_label || name.split('/').pop()}`).join(' + ');

  function drawAccelerators() {
    const select = byId('accelerator');
    select.hidden = byId('accelerator-label').hidden = !page.accelerators.length;
    draw('accelerators', [page.accelerators, page.card_sizes], select, () => [
      el('option', { value: '' }, t('start.no_accelerator')),
      ...(page.card_sizes ?? []).map(bytes => el('option', { value: `least-${bytes}` }, t('start.any_card', { size: size(bytes) }))),
      ...page.accelerators.map(spec => {
        const rate = spec.price_per_hour_micros ? `${money(spec.price_per_hour_micros, 2)}${t('start.per_hour')}` : t('start.free');
        return el('option', { value: spec.id }, `${spec.name} · ${cards(spec)} · ${rate}`);
      })
    ]);
    select.value = least ? `least-${least}` : page.accelerators.some(spec => spec.id === accelerator) ? String(accelerator) : '';
    const now = least && page.least_bytes === least ? profile()?.card : null;
    byId('card-now').hidden = byId('card-label').hidden = !now;
    byId('card-now').textContent = now ? t('start.card_now', { name: now }) : '';
  }

  // One notebook: what it is, what it does, and while it starts its steps.
  function notebookCard(item) {
    const card = el('section', { class: 'card', 'aria-label': item.name, 'data-notebook': item.server_name, 'data-phase': item.phase });
    const facts = [item.spec?.name, environmentTitle(item.environment), item.profile?.name, item.price_per_hour_micros ? `${money(item.price_per_hour_micros, 2)}${t('start.per_hour')}` : null,
      item.cost_micros ? t('nb.so_far', { cost: money(item.cost_micros, 2) }) : null,
      item.queue_position ? t('nb.queue', { position: item.queue_position }) : null, probableStart(item)].filter(Boolean).join(' · ');
    card.append(el('h2', {}, phasePill(item), item.name, el('span', { class: 'muted ell' }, facts), el('span', { class: 'grow' }),
      item.server_name === opening() && MOVING.has(item.phase) ? el('span', { class: 'muted sm' }, t('nb.opens')) : null, ...actions(item)));
    if (MOVING.has(item.phase) && item.steps?.length) card.append(...tree(item));
    if (item.phase === 'failed' || item.phase === 'timed_out') card.append(...failure(item));
    if (ENDED.has(item.phase)) card.append(...otherProfile(item));
    return card;
  }

  // A profile that the configuration has no longer refuses the start: another one is chosen here.
  function otherProfile(item) {
    const gone = item.profile && page.spawn_profiles.length && !page.spawn_profiles.some(one => one.slug === item.profile.slug);
    if (!gone && choosing !== item.server_name) return [];
    const id = `profile-${item.server_name}`;
    if (choosing !== item.server_name) {
      return [el('div', { class: 'cause fail' }, t('nb.profile_gone', { profile: item.profile.name }),
        el('button', { class: 'btn sm', type: 'button', id, on: { click: () => { choosing = item.server_name; drawAll(); byId('other-profile')?.focus(); } } }, t('nb.profile_other')))];
    }
    const rows = el('div', { class: 'rows' });
    const fields = profileFields.make(rows, 'other-');
    fields.show(page.spawn_profiles, item.profile);
    const form = el('form', { class: 'form part', on: { submit: event => { event.preventDefault(); perform(item, 'start', fields.body()); } } }, rows, el('span'),
      el('button', { class: 'btn', id }, icon('play', 's12'), t('start.go', { name: item.name })));
    return [form];
  }

  // When work that waits for room probably starts: in half of the cases, and in nine of ten.
  function probableStart({ expected_start_at: half, expected_start_latest_at: latest }) {
    const within = latest && span((Date.parse(latest) - Date.now()) / 1000);
    if (!half) return latest ? t('nb.latest', { latest: within }) : null;
    const seconds = (Date.parse(half) - Date.now()) / 1000;
    const likely = seconds > 0 ? t('nb.likely', { half: span(seconds) }) : t('nb.soon');
    return likely + (latest ? t('nb.within', { latest: within }) : '');
  }

  // A length of time to one unit, rounded up.
  function span(seconds) {
    const [unit, size] = seconds < 90 ? ['seconds', 1] : seconds < 5400 ? ['minutes', 60] : seconds < 172800 ? ['hours', 3600] : ['days', 86400];
    return t(`nb.${unit}`, { n: number(Math.max(0, Math.ceil(seconds / size)), 0) });
  }

  function phasePill(item) {
    const [colour, mark] = {
      running: ['run', 'full'], starting: ['busy', 'arc'], stopping: ['busy', 'arc'], queued: ['wait', 'half'],
      waiting: ['wait', 'half'], failed: ['fail', 'cross'], timed_out: ['fail', 'cross']
    }[item.phase] ?? ['rest', 'ring'];
    return el('span', { class: `pill ${colour}` }, icon(mark, mark === 'arc' ? 'spin' : ''), t(`phase.${item.phase}`));
  }

  function actions(item) {
    const act = (verb, key, mark, extra = {}) =>
      el('button', { class: 'btn sm', type: 'button', id: `${verb}-${item.server_name}`, on: { click: () => perform(item, verb) }, ...extra },
        icon(mark, 's12'), t(key));
    if (item.phase === 'running') {
      const link = item.url
        ? el('a', { class: 'btn sm p', href: item.url, id: `open-${item.server_name}` }, icon('open', 's12'), t('nb.open'))
        : el('button', { class: 'btn sm', type: 'button', disabled: true }, icon('arc', 's12 spin'), t('nb.open'));
      return [link, act('stop', 'nb.stop', 'stop')];
    }
    if (MOVING.has(item.phase)) return item.phase === 'stopping' ? [] : [act('stop', 'nb.cancel', 'cross')];
    return [act('start', item.phase === 'failed' ? 'nb.again' : 'nb.start', 'play'), act('delete', 'nb.delete', 'bin')];
  }

  // The profile that answers the reason of a failure: more memory after too little, else one that fits.
  function betterProfile(item) {
    const startable = page.profiles.filter(entry => STARTS.has(entry.verdict.verdict));
    const memory = entry => entry.spec.resources.memory_bytes;
    const had = item.spec?.resources?.memory_bytes ?? 0;
    if (item.reason === 'out_of_memory') {
      return startable.filter(entry => memory(entry) > had).sort((one, two) => memory(one) - memory(two))[0];
    }
    if (!['quota', 'capacity', 'balance'].includes(item.reason)) return undefined;
    return startable.filter(entry => memory(entry) < had).sort((one, two) => memory(two) - memory(one))[0];
  }

  function choose(spec) {
    chosen = spec;
    drawAll();
    byId('start').focus();
  }

  function failure(item) {
    const cause = el('div', { class: 'cause fail', role: 'alert' }, item.message || t(`phase.${item.phase}`));
    const other = betterProfile(item);
    if (other) {
      const key = item.reason === 'out_of_memory' ? 'nb.larger' : 'nb.smaller';
      cause.append(el('button', { class: 'btn sm', type: 'button', id: `fix-${item.server_name}`, on: { click: () => choose(other.spec.id) } },
        t(key, { profile: other.spec.name })));
    }
    return [cause, ...(item.steps?.length ? tree(item, false) : []), ...lastLines(item)];
  }

  function lastLines(item) {
    const lines = (item.last_lines ?? []).filter(line => line.trim());
    if (!lines.length) return [];
    return [el('details', { class: 'last', id: `log-${item.server_name}` }, el('summary', {}, t('nb.log')), el('pre', {}, lines.join('\n')))];
  }

  function tree(item, foot = true) {
    const byName = new Map(item.steps.map(step => [step.name, step]));
    const began = Math.min(...item.steps.map(step => Date.parse(step.started_at)).filter(Number.isFinite));
    const now = Date.now();
    const span = Math.max(now - began, (item.expected_start_seconds ?? 10) * 1000, 1000);
    const list = el('ul', { class: 'tree' }, ...STEPS.map(name => stepRow(item, name, byName.get(name), began, now, span)));
    if (!foot) return [list];
    const done = item.steps.filter(step => step.state === 'done').length;
    return [list, ...lastLines(item), el('div', { class: 'ft' },
      item.expected_start_seconds ? el('span', {}, t('nb.usual', { seconds: number(item.expected_start_seconds, 0) })) : null,
      el('span', { class: 'grow' }), el('span', {}, t('nb.steps_done', { done, total: STEPS.length })))];
  }

  // A notebook names the exact environment it was made for; people know it by its title.
  const environmentTitle = reference =>
    page.environments.find(entry => reference === entry.name || reference?.replace(/-[0-9a-f]{12}$/, '') === entry.name)?.title ?? reference;

  function stepDetail(item, name, step) {
    // A sentence says why the image does not come; else people know it by its environment's title.
    if (name === 'image' && !step?.detail?.includes(' ')) return environmentTitle(item.environment);
    if (step?.detail) return step.detail;
    if (name === 'admitted' && item.spec?.resources) return t('detail.admitted', { uses: uses(item.spec.resources), name: item.name });
    return texts[`detail.${name}`] ?? '';
  }

  function stepRow(item, name, step, began, now, span) {
    const state = step?.state ?? 'waiting';
    const [colour, mark, extra] = { done: ['run', 'tick', ''], active: ['busy', 'arc', 'spin'], failed: ['fail', 'cross', ''] }[state] ?? ['rest', 'ring', ''];
    const from = Date.parse(step?.started_at);
    const to = step?.ended_at ? Date.parse(step.ended_at) : now;
    const bar = shape('svg', { class: 'tl', viewBox: '0 0 100 8', preserveAspectRatio: 'none', 'aria-hidden': 'true' });
    bar.append(shape('rect', { class: 'bg', width: 100, height: 8, rx: 1 }));
    const started = state !== 'waiting' && Number.isFinite(from);
    if (started) {
      bar.append(shape('rect', { class: state, x: Math.max(0, ((from - began) / span) * 100), width: Math.max(0.6, (Math.max(0, to - from) / span) * 100), height: 8, rx: 1 }));
    }
    return el('li', { class: state }, el('span', { class: colour }, icon(mark, extra)), el('span', { class: 'n' }, t(`step.${name}`)),
      el('span', { class: 'd ell' }, stepDetail(item, name, step)), bar,
      el('span', { class: 'num' }, started ? `${number(Math.max(0, to - from) / 1000)} s` : ''));
  }

  // Calls.
  let busy = false;
  const opening = () => sessionStorage.getItem('himalia-opening');

  function say(problem) {
    const place = byId('problem');
    place.textContent = problem ? [problem.detail, problem.hint].filter(Boolean).join(' ') : '';
    place.hidden = !problem;
  }

  async function call(path, body) {
    const answer = await fetch(path, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { 'Content-Type': 'application/json', 'X-XSRFToken': root.dataset.xsrf },
      body: body === undefined ? undefined : JSON.stringify(body),
      redirect: 'manual'
    });
    if (answer.status === 403 && !(answer.headers.get('content-type') ?? '').includes('json')) {
      location.assign('/hub/login?next=%2Fhub%2Fhome');
      throw new Error('signed out');
    }
    const data = await answer.json();
    if (!answer.ok) throw Object.assign(new Error(data.detail), { problem: data });
    return data;
  }

  const card = () =>
    least ? { accelerator_wish: { count: 1, memory_bytes: least, frameworks: [] } } : { accelerator_spec_id: accelerator };

  async function start(event) {
    event.preventDefault();
    if (!byId('form').reportValidity()) return;
    busy = true;
    say(null);
    drawForm();
    try {
      const made = await call('/hub/himalia/api/notebooks', {
        name: byId('name').value.trim(), spec_id: chosen, ...card(), environment: byId('environment').value,
        description: byId('description').value.trim(), ...spawnProfile.body()
      });
      sessionStorage.setItem('himalia-opening', made.server_name);
      nameTouched = false;
      byId('description').value = '';
      byId('name').blur();
    } catch (error) {
      say(error.problem ?? { detail: t('error.lost') });
      if (error.problem?.field) byId(error.problem.field)?.focus();
    } finally {
      busy = false;
      drawForm();
    }
    await refresh();
  }

  async function perform(item, verb, body = {}) {
    if (verb === 'delete' && !confirm(t('nb.delete_sure', { name: item.name }))) return;
    say(null);
    if (verb === 'start') sessionStorage.setItem('himalia-opening', item.server_name);
    if (verb === 'stop' && opening() === item.server_name) sessionStorage.removeItem('himalia-opening');
    try {
      await call(`/hub/himalia/api/notebooks/${item.server_name}/${verb}`, body);
      if (choosing === item.server_name) choosing = null;
    } catch (error) {
      if (verb === 'start') sessionStorage.removeItem('himalia-opening');
      if (error.problem?.code === 'profile_gone') choosing = item.server_name;
      say(error.problem ?? { detail: t('error.lost') });
    }
    await refresh();
  }

  async function refresh() {
    clearTimeout(timer);
    try {
      const asked = accelerator ? `?accelerator=${accelerator}` : least ? `?least_bytes=${least}` : '';
      const before = [accelerator, least];
      const answer = await call(`/hub/himalia/api/start${asked}`);
      if (before[0] !== accelerator || before[1] !== least) return;
      page = answer;
      accelerator = page.accelerator ?? null;
      least = page.least_bytes ?? null;
      if (byId('problem').dataset.lost) {
        delete byId('problem').dataset.lost;
        say(null);
      }
      drawAll();
      openWhenReady();
    } catch (error) {
      if (!error.problem || error.problem.status === 503) {
        say({ detail: t('error.lost') });
        byId('problem').dataset.lost = '1';
      }
    }
    schedule();
  }

  function openWhenReady() {
    const wanted = opening();
    const item = wanted && page.notebooks.find(entry => entry.server_name === wanted);
    if (!wanted) return;
    if (!item || ENDED.has(item.phase)) {
      // A notebook just asked for is not shown as started before the platform says so.
      if (!item || item.phase === 'failed' || item.phase === 'timed_out') sessionStorage.removeItem('himalia-opening');
      return;
    }
    if (item.phase === 'running' && item.url) {
      sessionStorage.removeItem('himalia-opening');
      location.assign(item.url);
    }
  }

  function schedule() {
    clearTimeout(timer);
    const moving = page.notebooks.some(item => MOVING.has(item.phase) || (item.phase === 'running' && !item.url));
    timer = setTimeout(() => (document.hidden ? schedule() : refresh()), moving || opening() ? 700 : 8000);
  }

  byId('form').addEventListener('submit', start);
  byId('name').addEventListener('input', () => { nameTouched = true; drawForm(); });
  byId('environment').addEventListener('change', drawForm);
  byId('accelerator').addEventListener('change', event => {
    const { value } = event.target;
    least = value.startsWith('least-') ? Number(value.slice(6)) : null;
    accelerator = least ? null : Number(value) || null;
    drawForm();
    refresh();
  });
  document.addEventListener('visibilitychange', () => { if (!document.hidden) refresh(); });
  drawAll();
  openWhenReady();
  schedule();
})();
