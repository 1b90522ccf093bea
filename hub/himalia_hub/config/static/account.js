'use strict';
// The account page: shows what the platform answers and asks it for changes. It decides nothing.
(() => {
  const { given, texts, t, el, byId } = shared;
  const locale = given.language === 'zh' ? 'zh-CN' : 'en';
  const root = document.getElementById('page');
  let page = given.page;

  const moment = text =>
    new Date(text).toLocaleString(locale, { dateStyle: 'medium', timeStyle: 'short' });
  const day = text => new Date(text).toLocaleDateString(locale, { dateStyle: 'medium' });

  function say(sentence, good = false) {
    for (const [id, text] of [['problem', good ? '' : sentence], ['note', good ? sentence : '']]) {
      byId(id).textContent = text;
      byId(id).hidden = !text;
    }
    if (sentence) byId(good ? 'note' : 'problem').scrollIntoView({ block: 'nearest' });
  }

  async function call(name, body) {
    say('');
    let answer;
    try {
      answer = await fetch(`/hub/himalia/api/account/${name}`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'X-XSRFToken': root.dataset.xsrf },
        body: JSON.stringify(body)
      });
    } catch {
      say(t('error.lost'));
      return null;
    }
    const data = await answer.json().catch(() => ({}));
    if (!answer.ok) {
      say([data.detail, data.hint].filter(Boolean).join(' ') || t('error.lost'));
      return null;
    }
    return data;
  }

  async function again() {
    const answer = await fetch('/hub/himalia/api/account');
    if (!answer.ok) return location.reload();
    page = await answer.json();
    draw();
  }

  // Facts about the person.
  const fact = (label, value) => [el('dt', {}, label), el('dd', {}, value)];
  const signIn = entry =>
    entry ? t('account.from', { at: moment(entry.at), address: entry.address || '–' }) : t('account.none');

  function drawFacts() {
    const { identity } = page;
    byId('facts').replaceChildren(
      ...fact(t('account.name'), identity.user.name),
      ...fact(t('account.source'), page.source === 'local' ? t('account.local') : page.source),
      ...fact(t('account.organisation'), `${identity.tenant.name} (${identity.tenant.code})`),
      ...fact(t('account.department'), identity.department?.name ?? t('account.none')),
      ...fact(t('account.this'), signIn(page.sign_ins.this)),
      ...fact(t('account.last'), signIn(page.sign_ins.last))
    );
    const language = el(
      'select',
      { class: 'inp', 'aria-label': t('account.language'), on: { change: event => setLanguage(event.target.value) } },
      ...[['en', 'English'], ['zh', '中文']].map(([code, name]) =>
        el('option', { value: code, selected: code === given.language, lang: code === 'zh' ? 'zh-CN' : 'en' }, name)
      )
    );
    byId('about').replaceChildren(
      ...fact(t('account.language'), language),
      ...fact(t('account.version'), `Himalia ${page.about.version}`),
      ...fact(t('account.licence'), page.about.licence),
      ...fact(
        el('a', { href: '/hub/himalia/privacy' }, texts['account.privacy']),
        page.privacy.accepted_at ? t('account.accepted', { at: day(page.privacy.accepted_at) }) : t('account.none')
      )
    );
  }

  async function setLanguage(language) {
    if (await call('language', { language })) location.reload();
  }

  function drawRoles() {
    byId('roles').replaceChildren(
      ...page.roles.map(role =>
        el(
          'details',
          { class: 'role' },
          el('summary', {}, texts[`account.role.${role.name}`] ?? role.name, el('span', { class: 'muted' }, t('account.permits', { count: role.permissions.length }))),
          el(
            'ul',
            { class: 'sm' },
            ...role.permissions.map(row =>
              el('li', {}, row.title, el('span', { class: 'muted' }, t(`account.reach.${row.reach}`)))
            )
          )
        )
      )
    );
  }

  const KINDS = new Set(['dataset', 'run', 'model', 'image']);
  const size = bytes => {
    const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
    let step = 0;
    while (bytes >= 1024 && step < units.length - 1) {
      bytes /= 1024;
      step += 1;
    }
    return `${bytes.toLocaleString(locale, { maximumFractionDigits: step ? 1 : 0 })} ${units[step]}`;
  };

  function drawStorage() {
    const rows = page.storage.flatMap(row =>
      fact(KINDS.has(row.kind) ? t(`account.kind.${row.kind}`) : t('account.kind.other', { kind: row.kind }), size(row.bytes))
    );
    byId('storage').replaceChildren(...(rows.length ? rows : [el('dd', { class: 'muted full' }, t('account.nothing_stored'))]));
  }

  // Forms that appear where a change begins.
  function form(fields, go, submit, cancel = draw) {
    const made = el(
      'form',
      { class: 'stack', on: { submit: event => (event.preventDefault(), submit(made)) } },
      fields,
      el(
        'div',
        { class: 'row' },
        el('button', { class: 'btn p', type: 'submit' }, go),
        el('button', { class: 'btn', type: 'button', on: { click: () => cancel() } }, t('account.cancel'))
      )
    );
    queueMicrotask(() => made.querySelector('input:not([type=hidden])')?.focus());
    return made;
  }
  let serial = 0;
  function field(label, options) {
    const id = `f${(serial += 1)}`;
    return [el('label', { for: id }, label), el('input', { id, class: 'inp', required: true, ...options })];
  }
  const proof = () => field(t('account.proof'), { name: 'password', type: 'password', autocomplete: 'current-password' });
  const codeField = label =>
    field(label, { name: 'code', class: 'inp code', inputmode: 'numeric', autocomplete: 'one-time-code', maxlength: 7 });
  const read = (made, name) => made.elements[name].value;

  // Second factor.
  function drawFactor() {
    const box = byId('factor');
    if (!box) return;
    const { methods, offered, recovery_codes_left: left } = page.second_factor;
    const rows = [...new Set([...methods, ...offered])].map(method => {
      const on = methods.includes(method);
      const button = el(
        'button',
        { class: 'btn sm', type: 'button', 'data-method': method, on: { click: () => (on ? removeFactor(method) : beginFactor(method)) } },
        on ? t('account.remove') : t('account.set_up')
      );
      return el(
        'div',
        { class: 'line' },
        el('span', { class: 'grow' }, t(`step.by_${method}`)),
        el('span', { class: on ? 'run' : 'muted' }, on ? t('account.factor_on') : t('account.factor_off')),
        on || method === 'totp' || page.contacts[method] ? button : null
      );
    });
    const codes = methods.length
      ? el(
          'div',
          { class: 'line' },
          el('span', { class: 'grow' }, t('account.codes')),
          el('span', { class: left < 3 ? 'wait' : 'muted' }, t('account.codes_left', { count: left })),
          el('button', { class: 'btn sm', type: 'button', on: { click: renewCodes } }, t('account.codes_new'))
        )
      : null;
    box.replaceChildren(el('p', { class: 'muted sm' }, t('account.factor_why')), ...rows, ...(codes ? [codes] : []));
  }

  function beginFactor(method) {
    const made = form([proof()], t('account.go'), async () => {
      const begun = await call('factor-begin', { method, password: read(made, 'password') });
      if (begun) confirmFactor(method, begun);
    });
    byId('factor').replaceChildren(made);
  }

  function confirmFactor(method, begun) {
    const shown =
      method === 'totp'
        ? [
            el('p', {}, t('account.scan')),
            el('img', { class: 'qr', src: begun.qr, alt: t('account.qr') }),
            el('p', { class: 'sm' }, `${t('account.secret')}: `, el('code', { id: 'totp-secret' }, begun.secret))
          ]
        : [el('p', {}, t('account.email_code', { to: begun.sent_to }))];
    const made = form([shown, codeField(t('step.code'))], t('account.verify'), async () => {
      const done = await call('factor-confirm', { method, code: read(made, 'code') });
      if (!done) return made.elements.code.select();
      if (done.recovery_codes.length) showCodes(done.recovery_codes);
      else again();
    });
    byId('factor').replaceChildren(made);
  }

  function showCodes(codes) {
    byId('factor').replaceChildren(
      el('p', {}, t('account.codes_keep')),
      el('ul', { class: 'codes', id: 'recovery-codes' }, ...codes.map(code => el('li', {}, code))),
      el('button', { class: 'btn p', type: 'button', on: { click: again } }, t('account.codes_done'))
    );
  }

  function removeFactor(method) {
    const made = form([proof()], t('account.remove'), async () => {
      if (await call('factor-remove', { method, password: read(made, 'password') })) again();
    });
    byId('factor').replaceChildren(made);
  }

  function renewCodes() {
    const made = form([proof()], t('account.codes_new'), async () => {
      const done = await call('recovery-codes', { password: read(made, 'password') });
      if (done) showCodes(done.recovery_codes);
    });
    byId('factor').replaceChildren(made);
  }

  // E-mail.
  function drawEmail() {
    const box = byId('email');
    if (!box) return;
    const address = page.contacts.email;
    const able = page.channels.includes('email');
    box.replaceChildren(
      el('p', { class: 'muted sm' }, t(able || address ? 'account.email_why' : 'account.email_none')),
      address || able
        ? el(
            'div',
            { class: 'line' },
            el('span', { class: 'grow' }, address ?? t('account.none')),
            address ? el('span', { class: 'run' }, t('account.confirmed')) : null,
            able ? el('button', { class: 'btn sm', type: 'button', on: { click: beginEmail } }, t('account.email_set')) : null
          )
        : ''
    );
  }

  function beginEmail() {
    const fields = [field(t('account.email'), { name: 'to', type: 'email', autocomplete: 'email', maxlength: 320 }), proof()];
    const made = form(fields, t('account.go'), async () => {
      const begun = await call('contact', { channel: 'email', to: read(made, 'to'), password: read(made, 'password') });
      if (begun) confirmEmail(begun);
    });
    byId('email').replaceChildren(made);
  }

  function confirmEmail(begun) {
    const fields = [el('p', {}, t('account.email_code', { to: begun.sent_to })), codeField(t('step.code'))];
    const made = form(fields, t('account.verify'), async () => {
      if (await call('contact-confirm', { channel: 'email', code: read(made, 'code') })) again();
      else made.elements.code.select();
    });
    byId('email').replaceChildren(made);
  }

  // API tokens.
  function drawTokens() {
    byId('tokens-card').hidden = page.tokens === null;
    if (page.tokens === null) return;
    const rows = page.tokens.map(token =>
      el(
        'div',
        { class: 'line' },
        el('span', { class: 'grow ell' }, el('b', {}, token.name), ' ', el('code', { class: 'muted' }, `${token.prefix}…`)),
        el(
          'span',
          { class: 'muted sm' },
          [
            token.permissions ? t('account.token_some', { count: token.permissions.length }) : t('account.token_all'),
            t(`account.reach.${token.reach}`),
            token.expires_at ? day(token.expires_at) : t('account.token_never')
          ].join(' · ')
        ),
        el('button', { class: 'btn sm', type: 'button', on: { click: () => revoke(token) } }, t('account.token_revoke'))
      )
    );
    byId('tokens').replaceChildren(
      el('p', { class: 'muted sm' }, t(rows.length ? 'account.tokens_why' : 'account.tokens_none')),
      ...rows,
      el('button', { class: 'btn', type: 'button', id: 'token-new', on: { click: newToken } }, t('account.token_new'))
    );
  }

  async function revoke(token) {
    if (!confirm(t('account.token_revoke_sure', { name: token.name }))) return;
    if (await call('token-revoke', { token: token.id })) again();
  }

  function choice(label, name, entries) {
    const id = `f${(serial += 1)}`;
    const options = entries.map(([value, title]) => el('option', { value }, title));
    return [el('label', { for: id }, label), el('select', { id, name, class: 'inp' }, ...options)];
  }

  function newToken() {
    const titles = new Map(page.roles.flatMap(role => role.permissions.map(row => [row.name, row.title])));
    const chosen = el(
      'details',
      {},
      el('summary', {}, t('account.token_scope'), ': ', el('span', { id: 'token-scope' }, t('account.token_all'))),
      el(
        'div',
        { class: 'scopes sm' },
        ...[...titles].map(([name, title]) =>
          el('label', { class: 'check' }, el('input', { type: 'checkbox', name: 'scope', value: name }), el('span', {}, title))
        )
      )
    );
    const ends = ['30', '90', '365'].map(days => [days, t('account.token_days', { days })]);
    const password = el('div', { class: 'stack', hidden: true }, ...proof());
    password.querySelector('input').required = false;
    const made = form(
      [
        field(t('account.token_name'), { name: 'name', maxlength: 64 }),
        choice(t('account.token_ends'), 'ends', [...ends, ['', t('account.token_never')]]),
        choice(t('account.token_reach'), 'reach', page.reaches.map(word => [word, t(`account.reach.${word}`)])),
        chosen,
        password
      ],
      t('account.token_new'),
      () => makeToken(made)
    );
    made.elements.reach.addEventListener('change', () => {
      const wide = read(made, 'reach') !== 'own';
      password.hidden = !wide;
      password.querySelector('input').required = wide;
    });
    made.addEventListener('change', () => {
      const count = made.querySelectorAll('input[name=scope]:checked').length;
      made.querySelector('#token-scope').textContent = count ? t('account.token_some', { count }) : t('account.token_all');
    });
    byId('tokens').replaceChildren(made);
  }

  async function makeToken(made) {
    const scopes = [...made.querySelectorAll('input[name=scope]:checked')].map(box => box.value);
    const days = Number(read(made, 'ends'));
    const body = {
      name: read(made, 'name'),
      reach: read(made, 'reach'),
      permissions: scopes.length ? scopes : null,
      expires_at: days ? new Date(Date.now() + days * 86_400_000).toISOString() : null
    };
    const password = read(made, 'password');
    const done = await call('token', password ? { ...body, password } : body);
    if (!done) return;
    byId('tokens').replaceChildren(
      el('p', {}, t('account.token_once')),
      el('p', {}, el('code', { id: 'token-secret', class: 'secret' }, done.token)),
      el('button', { class: 'btn p', type: 'button', on: { click: again } }, t('account.codes_done'))
    );
  }

  // Password.
  function drawPassword() {
    const { password } = page;
    const state = !password.changeable
      ? t('account.external')
      : password.ends_at
        ? t('account.ends_at', { at: day(password.ends_at) })
        : password.set
          ? t('account.changed_at', { at: moment(password.changed_at) })
          : t('account.no_password');
    byId('password-state').textContent = state;
    byId('password-state').classList.toggle('wait', Boolean(password.ends_at));
  }

  byId('password-form')?.addEventListener('submit', async event => {
    event.preventDefault();
    const made = event.target;
    if (byId('password').value !== byId('repeat').value) return say(t('link.differ'));
    const done = await call('password', { old_password: byId('old_password')?.value ?? null, password: byId('password').value });
    if (!done) return;
    made.reset();
    byId('password').dispatchEvent(new Event('input'));
    await again();
    say(t('account.changed'), true);
  });

  function draw() {
    drawFacts();
    drawRoles();
    drawStorage();
    drawPassword();
    drawFactor();
    drawEmail();
    drawTokens();
  }
  draw();
})();
